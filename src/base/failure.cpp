#include "base/failure.hpp"

namespace memoir {

std::string_view to_string(FailureType type) {
    switch (type) {
        case FailureType::outage:
            return "outage";
        case FailureType::throttled:
            return "throttled";
        case FailureType::blocked:
            return "blocked";
        case FailureType::job:
            return "job";
        case FailureType::permanent:
            return "permanent";
        case FailureType::cancelled:
            return "cancelled";
        case FailureType::ambiguous:
            return "ambiguous";
    }
    return "unknown";
}

}  // namespace memoir
