#pragma once
// Exit codes that scripts rely on (sysexits.h where there is a name). Owns nothing. Thread safety: values.
// Failures: none.

namespace memoir::app {

enum ExitCode { exit_ok = 0, exit_unexpected = 1, exit_usage = 64, exit_unavailable = 69, exit_config = 78 };

}  // namespace memoir::app
