#pragma once
// A command of memoirctl as data: completions, man page and --help come from the same table that parses.
// Thread safety: values.

#include <cstdint>
#include <map>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include "config/command_line.hpp"

namespace memoir::ctl {

class Context;

using config::Option;

// What was given for one command.
class Arguments {
  public:
    Arguments(std::map<std::string, std::string> values, std::vector<std::string> rest)
        : values_(std::move(values)), rest_(std::move(rest)) {}
    bool has(const std::string& option) const { return values_.contains(option); }
    std::optional<std::string> get(const std::string& option) const;
    std::string get(const std::string& option, std::string fallback) const;
    // An integer from `low` up; throws Usage.
    std::int64_t integer(const std::string& option, std::int64_t fallback, std::int64_t low) const;
    // Throws Usage where it is missing.
    std::string need(const std::string& option) const;
    const std::vector<std::string>& rest() const { return rest_; }

  private:
    std::map<std::string, std::string> values_;  // a switch has an empty value
    std::vector<std::string> rest_;
};

// What a command asks of the database's role; what is lacking is told when the server has refused.
enum class Rights {
    read,   // only looks
    write,  // changes rows, as the daemon does
    owner,  // changes the schema
};

struct Command {
    std::string_view name;  // "jobs list"
    std::string_view rest;  // what stands beside options: "ID", "[TEXT|-]"; empty: nothing may
    std::string_view summary;
    std::vector<Option> options;
    int (*run)(Context&, const Arguments&);  // returns the exit code
    std::string_view details = {};           // what the man page says beyond the summary
    Rights rights = Rights::write;
    bool despite_problems = false;  // runs with a configuration that has problems, to tell them itself
    std::string synopsis() const;   // "jobs list [--state S] [--kind K] [--limit N]"
};

const std::vector<Command>& commands();
// What every command has: --config, --set, --json, --help, --version.
const std::vector<Option>& shared_options();

struct ExitMeaning {
    int code;
    std::string_view text;
};
const std::vector<ExitMeaning>& exit_codes();

using config::Usage;  // exit code 64
// Throws Usage unless `text` is an integer from `low` up.
std::int64_t parse_integer(const std::string& text, const std::string& what, std::int64_t low);

// What was asked for is not there (a job, say): exit code 1.
struct NotFound : std::runtime_error {
    using std::runtime_error::runtime_error;
};

}  // namespace memoir::ctl
