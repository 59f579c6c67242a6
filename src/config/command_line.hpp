#pragma once
// Command lines as data: what parses them also prints --help, and writes man pages and completions, so that
// these cannot differ. Thread safety: values and functions.

#include <iosfwd>
#include <map>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

namespace memoir::config {

// Where both programs look unless --config names another file.
inline constexpr std::string_view default_file = "/etc/memoird/memoird.toml";

struct Option {
    std::string_view name;  // "kind"
    std::string_view
        value;  // placeholder: "K"; empty: a switch. FILE and KEY=VALUE are completed as what they are
    std::string_view help;
    std::vector<std::string_view> choices = {};  // all that it may be; empty: anything
    char letter = 0;                             // "-c"
    bool repeatable = false;
};

// --config and --set, which both programs have.
std::vector<Option> source_options();

// Nobody can tell what was meant: exit code 64.
struct Usage : std::runtime_error {
    using std::runtime_error::runtime_error;
};

struct CommandLine {
    std::map<std::string, std::vector<std::string>> options;  // a switch has one empty value
    std::vector<std::string> rest;                            // what is no option

    bool has(const std::string& name) const { return options.contains(name); }
    std::string get(const std::string& name, std::string_view fallback) const;
    std::vector<std::string> all(const std::string& name) const;
};

// Without the program's name. Throws Usage. Names are never abbreviated: with every option that is added an
// abbreviation would change its meaning.
CommandLine parse_command_line(const std::vector<std::string>& arguments, const std::vector<Option>& options);

// One line an option, for --help.
void print_options(std::ostream& out, const std::vector<Option>& options);

}  // namespace memoir::config
