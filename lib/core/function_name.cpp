#include "function_name.hpp"

#include <algorithm>
#include <cstddef>
#include <vector>

namespace bight::detail {

namespace {

constexpr std::string_view call_operator = "operator()";

bool is_word(char c) noexcept {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
           static_cast<unsigned char>(c) >= 0x80;
}

/// Reads a qualified name from left to right. What turns out to be the return type is dropped.
class name_parser {
  public:
    explicit name_parser(std::string_view text) noexcept : text_(text) {}

    std::string parse() {
        while (at_ < text_.size() && !complete_) step();
        end_part();
        return joined();
    }

  private:
    // An empty part stands for a lambda.
    void step() {
        if (begins("::")) {
            at_ += 2;
            end_part();
        } else if (begins("{anonymous}") || begins("(anonymous namespace)")) {
            skip_brackets();
        } else if (begins("(anonymous class)") || begins("(lambda at ") || begins("<lambda(")) {
            skip_brackets();
            part_.clear();  // g++ leaves no space between a return type and a lambda
            parts_.emplace_back();
        } else if (begins("operator") && part_.empty() && !is_word(after("operator"))) {
            read_operator();
        } else if (text_[at_] == '(') {
            skip_brackets();
            skip_qualifiers();
            complete_ = at_ < text_.size() && !begins("::");
        } else if (text_[at_] == '<') {
            skip_brackets();
        } else if (text_[at_] == ' ') {
            ++at_;
            part_.clear();
            parts_.clear();
        } else {
            part_ += text_[at_++];
        }
    }

    bool begins(std::string_view what) const noexcept { return text_.substr(at_).starts_with(what); }
    char after(std::string_view what) const noexcept {
        return at_ + what.size() < text_.size() ? text_[at_ + what.size()] : ' ';
    }

    void end_part() {
        if (!part_.empty()) parts_.push_back(part_);
        part_.clear();
    }

    // "operator()", "operator<<", "operator bool"
    void read_operator() {
        const std::size_t begin = at_;
        at_ += std::string_view("operator").size();
        if (begins("()")) {
            at_ += 2;
        } else {
            while (at_ < text_.size() && text_[at_] != '(') ++at_;
        }
        part_ = text_.substr(begin, at_ - begin);
    }

    // To behind the bracket that closes the one here.
    void skip_brackets() noexcept {
        int depth = 0;
        for (; at_ < text_.size(); ++at_) {
            if (begins("operator") && !is_word(after("operator"))) {
                at_ += std::string_view("operator").size();
                while (at_ < text_.size() && std::string_view("<>=-").find(text_[at_]) != text_.npos) ++at_;
                if (begins("()")) at_ += 2;
                --at_;
                continue;
            }
            const char c = text_[at_];
            if (c == '(' || c == '<' || c == '{' || c == '[') ++depth;
            if (c == ')' || c == '>' || c == '}' || c == ']') --depth;
            if (depth == 0) {
                ++at_;
                return;
            }
        }
    }

    // Those of a member function around a lambda or a local class: "f() const::<lambda()>".
    void skip_qualifiers() noexcept {
        const std::size_t next = text_.find("::", at_);
        if (next == text_.npos) return;
        const std::string_view between = text_.substr(at_, next - at_);
        if (between == " const" || between == " &" || between == " &&" || between == " const &" ||
            between == " const&" || between == " noexcept") {
            at_ = next;
        }
    }

    std::string joined() const {
        std::string name;
        std::size_t end = parts_.size();
        const bool calls_lambda = end > 1 && parts_[end - 2].empty() && parts_[end - 1] == call_operator;
        if (calls_lambda) --end;
        const bool lambda = end > 0 && parts_[end - 1].empty();
        for (std::size_t i = 0; i < end; ++i) {
            if (parts_[i].empty() || (i > 0 && parts_[i - 1].empty() && parts_[i] == call_operator)) continue;
            if (!name.empty()) name += "::";
            name += parts_[i];
        }
        if (lambda) return name.empty() ? "a lambda" : "a lambda in " + name;
        return name.empty() ? std::string(text_) : name;
    }

    std::string_view text_;
    std::size_t at_ = 0;
    std::vector<std::string> parts_;
    std::string part_;
    bool complete_ = false;
};

}  // namespace

std::string readable_name(std::string_view function) {
    return function.empty() ? "a coroutine" : name_parser(function).parse();
}

}  // namespace bight::detail
