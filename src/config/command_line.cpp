#include "config/command_line.hpp"

#include <algorithm>
#include <boost/program_options.hpp>
#include <ostream>

#include "base/join.hpp"

namespace memoir::config {
namespace {

namespace po = boost::program_options;

constexpr const char* rest_name = "\x01rest";  // no option that can be typed

void add(po::options_description& description, const Option& option) {
    const std::string name =
        std::string(option.name) + (option.letter ? std::string(",") + option.letter : std::string());
    if (option.value.empty())
        description.add_options()(name.c_str(), "");
    else if (option.repeatable)
        description.add_options()(name.c_str(), po::value<std::vector<std::string>>()->composing(), "");
    else
        description.add_options()(name.c_str(), po::value<std::string>(), "");
}

void check_choice(const Option& option, const std::string& value) {
    if (option.choices.empty() || std::ranges::find(option.choices, value) != option.choices.end()) return;
    throw Usage("--" + std::string(option.name) + " must be one of " + join(option.choices));
}

}  // namespace

std::vector<Option> source_options() {
    return {
        {"config",
         "FILE",
         "the configuration (default /etc/memoird/memoird.toml); a name that ends in .json is JSON with the "
         "same keys",
         {},
         'c'},
        {"set", "KEY=VALUE", "override one key of it (--set worker.lease=30s); repeatable", {}, 0, true},
    };
}

std::string CommandLine::get(const std::string& name, std::string_view fallback) const {
    const auto found = options.find(name);
    return found == options.end() ? std::string(fallback) : found->second.front();
}

std::vector<std::string> CommandLine::all(const std::string& name) const {
    const auto found = options.find(name);
    return found == options.end() ? std::vector<std::string>() : found->second;
}

CommandLine parse_command_line(const std::vector<std::string>& arguments,
                               const std::vector<Option>& options) {
    po::options_description description;
    for (const auto& option : options) add(description, option);
    description.add_options()(rest_name, po::value<std::vector<std::string>>());
    po::positional_options_description rest;
    rest.add(rest_name, -1);
    const int style = po::command_line_style::default_style & ~po::command_line_style::allow_guessing;
    CommandLine line;
    try {
        po::variables_map map;
        po::store(po::command_line_parser(arguments).options(description).positional(rest).style(style).run(),
                  map);
        for (const auto& option : options) {
            const std::string name(option.name);
            if (!map.count(name)) continue;
            if (option.value.empty())
                line.options[name] = {""};
            else if (option.repeatable)
                line.options[name] = map[name].as<std::vector<std::string>>();
            else
                line.options[name] = {map[name].as<std::string>()};
        }
        if (map.count(rest_name)) line.rest = map[rest_name].as<std::vector<std::string>>();
    } catch (const po::error& error) {
        throw Usage(error.what());
    }
    for (const auto& option : options)
        for (const auto& value : line.all(std::string(option.name))) check_choice(option, value);
    return line;
}

void print_options(std::ostream& out, const std::vector<Option>& options) {
    for (const auto& option : options) {
        std::string name = "  --" + std::string(option.name);
        if (!option.value.empty()) name += " " + std::string(option.value);
        if (option.letter) name += std::string(", -") + option.letter;
        name.resize(std::max<std::size_t>(name.size() + 1, 26), ' ');
        out << name << option.help;
        if (!option.choices.empty()) out << ": " << join(option.choices);
        out << '\n';
    }
}

}  // namespace memoir::config
