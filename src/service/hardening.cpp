#include "service/hardening.hpp"

#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>

namespace memoir::service {

void harden() {
    const rlimit none{0, 0};
    setrlimit(RLIMIT_CORE, &none);
    // A core pattern that is a pipe ignores the limit, but not this.
    prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
    umask(077);
}

}  // namespace memoir::service
