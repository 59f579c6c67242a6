#pragma once
// memoird's command line, signals and exit codes as tables: main, --help, man page and completions read
// them. Thread safety: constant.

#include <string_view>
#include <vector>

#include "config/command_line.hpp"

namespace memoir::app {

const std::vector<config::Option>& options();

struct Explained {
    std::string_view name, text;
};
const std::vector<Explained>& signals();
const std::vector<Explained>& exit_codes();

}  // namespace memoir::app
