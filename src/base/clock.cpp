#include "base/clock.hpp"

namespace memoir {

const Clock& Clock::real() {
    static const Clock clock;
    return clock;
}

}  // namespace memoir
