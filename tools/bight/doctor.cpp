#include "doctor.hpp"

#include <utility>

namespace doctor {

findings examine(const machine& m, const examination_options& options) {
    findings all;
    const auto add = [&all](const char* group, findings part) {
        for (finding& f : part) {
            f.group = group;
            all.push_back(std::move(f));
        }
    };
    add("demultiplexers", examine_demultiplexers(m, options));
    add("kernel", examine_kernel(m));
    add("limits", examine_limits(m, options));
    add("network", examine_network(m, options));
    add("names", examine_names(m));
    return all;
}

}  // namespace doctor
