// trace::to_html: puts the events of a trace into the page, whose drawing code is in trace_page/.
#include "json.hpp"
#include "trace_page_files.hpp"

#include <bight/sim/trace.hpp>

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace bight::sim {

namespace {

using detail::append_quoted;

void append_escaped(std::string& out, std::string_view text) {
    for (const char c : text) {
        switch (c) {
            case '<': out += "&lt;"; break;
            case '>': out += "&gt;"; break;
            case '&': out += "&amp;"; break;
            case '"': out += "&quot;"; break;
            default: out += c;
        }
    }
}

void append_number(std::string& out, std::int64_t number) {
    out += std::to_string(number);
    out += ',';
}

}  // namespace

// {"hosts":[[name,ip],…],"names":[what,…],"events":[[at,what,from,to,link,bytes,sent,until,text],…]}, and the
// reactor, if there is one, at the end of an event. Names and hosts are counted from 0, -1 is none. Times are
// in nanoseconds, which JavaScript represents exactly up to 2^53, that is 104 days.
std::string trace::to_html(std::string_view title) const {
    std::string events;
    std::vector<std::string_view> names;
    const auto name_number = [&names](std::string_view name) {
        std::size_t i = 0;
        while (i < names.size() && names[i] != name) ++i;
        if (i == names.size()) names.push_back(name);
        return static_cast<std::int64_t>(i);
    };
    const auto host_index = [](host_number n) { return n == no_host ? std::int64_t{-1} : std::int64_t{n}; };
    for (const stored_event& e : events_) {
        events += events.empty() ? "[" : ",\n[";
        append_number(events, e.at);
        append_number(events, name_number(e.what));
        append_number(events, host_index(e.from));
        append_number(events, host_index(e.to));
        append_number(events, static_cast<std::int64_t>(e.link));
        append_number(events, static_cast<std::int64_t>(e.bytes));
        append_number(events, e.sent);
        append_number(events, e.until);
        append_quoted(events, std::string_view(texts_).substr(e.text_begin, e.text_size));
        if (e.reactor > 0) events += ',' + std::to_string(e.reactor);
        events += ']';
    }

    std::string page = "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n<title>";
    append_escaped(page, title);
    page += "</title>\n";
    page += detail::page_head;
    page += "<style>\n";
    page += detail::page_style;
    page += "</style>\n</head>\n<body>\n<header>\n<h1>";
    append_escaped(page, title);
    page += "</h1>\n";
    page += detail::page_body;
    page += "<script type=\"application/json\" id=\"trace\">\n{\"hosts\":[";
    for (const host_name& h : hosts_) {
        if (&h != hosts_.data()) page += ',';
        append_quoted(page += '[', h.name);
        append_quoted(page += ',', h.ip);
        page += ']';
    }
    page += "],\"names\":[";
    for (std::size_t i = 0; i < names.size(); ++i) {
        if (i > 0) page += ',';
        append_quoted(page, names[i]);
    }
    page += "],\"events\":[\n";
    page += events;
    page += "\n]}\n</script>\n<script>\n\"use strict\";\n(() => {\n";
    page += detail::page_model;
    page += detail::page_view;
    page += detail::page_picture;
    page += detail::page_marks;
    page += detail::page_frame;
    page += detail::page_list;
    page += "})();\n</script>\n</body>\n</html>\n";
    return page;
}

}  // namespace bight::sim
