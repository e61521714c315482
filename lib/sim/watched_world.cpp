#include "watched_world.hpp"

#include "trace_files.hpp"

namespace bight::sim::detail {

current_run running_here;

std::string current_run::write_page() const {
    if (html.empty() || !in) return {};
    return write_file(html, in->trace().to_html(title));
}

watched_world::watched_world(world& w, attempt& a, bool with_details) noexcept {
    running_here.in = &w;
    running_here.result = &a;
    running_here.told = false;
    running_here.with_details = with_details;
}
watched_world::~watched_world() { running_here.in = nullptr; }
void watched_world::is_told() const noexcept {
    running_here.told = running_here.with_details;
    try {
        running_here.result->page_error = running_here.write_page();
    } catch (...) {  // the trace is still available as text
        running_here.result->page_error = "no memory";
    }
}

}  // namespace bight::sim::detail
