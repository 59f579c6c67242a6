#pragma once
// From the command line to a command and its exit code. Thread safety: one thread.

#include <iosfwd>
#include <string>
#include <vector>

namespace memoir::ctl {

enum ExitCode : int { ok = 0, unexpected = 1, usage = 64, unavailable = 69, configuration = 78 };

// `arguments` without the program's name. Errors go to `err`, each with a HINT where one is known.
int run(const std::vector<std::string>& arguments, std::ostream& out, std::ostream& err);

}  // namespace memoir::ctl
