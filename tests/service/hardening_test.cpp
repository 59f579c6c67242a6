#include "service/hardening.hpp"

#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <catch2/catch.hpp>

TEST_CASE("a hardened process can dump no core and makes files for itself alone") {
    const pid_t child = fork();
    REQUIRE(child >= 0);
    if (child == 0) {  // what it does to itself is not to happen to the other tests
        memoir::service::harden();
        rlimit limit{1, 1};
        getrlimit(RLIMIT_CORE, &limit);
        const bool hard = limit.rlim_cur == 0 && limit.rlim_max == 0;
        _exit(hard && prctl(PR_GET_DUMPABLE, 0, 0, 0, 0) == 0 && umask(0) == 077 ? 0 : 1);
    }
    int status = -1;
    REQUIRE(waitpid(child, &status, 0) == child);
    CHECK(status == 0);
}
