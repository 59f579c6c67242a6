#pragma once
// What went wrong, told once: as text on the error stream, with its HINT, and under --json also as an object
// on the output, so that a script reads one document whatever happened. Thread safety: one thread.

#include <iosfwd>
#include <string>
#include <vector>

#include "config/config.hpp"
#include "ctl/command.hpp"

namespace memoir::ctl {

class Reporter {
  public:
    Reporter(std::ostream& out, std::ostream& err, bool json) : out_(out), err_(err), json_(json) {}

    // {"error": text, "hint": hint, "exit_code": code}; returns `code`.
    int operator()(int code, const std::string& text, const std::string& hint = "") const;
    // The same with each problem under "problems".
    int operator()(const std::vector<config::Problem>& problems) const;

  private:
    std::ostream& out_;
    std::ostream& err_;
    const bool json_;
};

// Runs the command; whatever it throws is reported and becomes an exit code.
int run_reported(const Command& command, const Arguments& arguments, Context& context,
                 const Reporter& report);

}  // namespace memoir::ctl
