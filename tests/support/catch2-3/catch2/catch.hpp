#pragma once
// Catch2 3 under the header's name and the few other names of version 2, which the tests are written for:
// this folder is in the include path where the system has version 3 (tests/CMakeLists.txt).
#include <catch2/catch_approx.hpp>
#include <catch2/catch_session.hpp>
#include <catch2/catch_template_test_macros.hpp>
#include <catch2/catch_test_macros.hpp>
#include <catch2/catch_tostring.hpp>
#include <catch2/generators/catch_generators_all.hpp>
#include <catch2/matchers/catch_matchers.hpp>
#include <catch2/matchers/catch_matchers_string.hpp>
#include <catch2/reporters/catch_reporter_event_listener.hpp>
#include <catch2/reporters/catch_reporter_registrars.hpp>
#include <string>

using Catch::Approx;

namespace Catch {
using TestEventListenerBase = EventListenerBase;
using Matchers::EndsWith;
using Matchers::StartsWith;
// A range's element is what version 3 means by Contains.
inline auto Contains(const std::string& part) {
    return Matchers::ContainsSubstring(part);
}
}  // namespace Catch

#ifdef CATCH_CONFIG_MAIN
int main(int argc, char** argv) {
    return Catch::Session().run(argc, argv);
}
#endif
