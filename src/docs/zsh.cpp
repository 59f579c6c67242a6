#include "docs/program.hpp"
#include "docs/text.hpp"

namespace memoir::docs {
namespace {

// Within single quotes of a shell.
std::string quoted(std::string text) {
    return "'" + replaced(std::move(text), "'", "'\\''") + "'";
}

std::string action(const Option& option) {
    switch (takes(option)) {
        case Takes::nothing:
            return "";
        case Takes::choice:
            return ":" + std::string(option.value) + ":(" +
                   joined({option.choices.begin(), option.choices.end()}, " ") + ")";
        case Takes::file:
            return ":FILE:_files";
        case Takes::setting:
            return ":KEY=VALUE:_NAME_settings";
        case Takes::text:
            break;
    }
    return ":" + std::string(option.value) + ": ";
}

// As _arguments wants it: '--kind[of this kind only]:K:(embed extract)'.
std::string spec(const Option& option) {
    const std::string tail = quoted("[" + escaped(option.help, "[]\\:") + "]" + action(option));
    if (option.letter) {
        const std::string letter = std::string("-") + option.letter;
        return "'(" + letter + " " + spelled(option) + ")'{" + letter + "," + spelled(option) + "}" + tail;
    }
    return (option.repeatable ? "'*'" : "") + spelled(option) + tail;
}

std::string described(const std::string& word, std::string_view summary) {
    return quoted(word + ":" + escaped(summary, "\\:"));
}

// What follows the words of a command.
std::string command_case(const ctl::Command& command) {
    std::string line = "        (" + quoted(std::string(command.name)) + ") _arguments $shared";
    for (const auto& option : command.options) line += " \\\n            " + spec(option);
    if (!command.rest.empty())
        line += " \\\n            " + quoted("*:" + escaped(command.rest, "\\:") + ": ");
    return line + " ;;\n";
}

// `_arguments -C` passes on the words from the command's own word, words[1].
std::string command_part(const Program& program) {
    std::string text, groups;
    std::vector<std::string> group_names;
    text +=
        "    _arguments -C $shared '*:: :->words' && return\n    local -a choices\n"
        "    if (( CURRENT == 1 )); then\n        choices=(\n";
    for (const auto& word : first_words(program)) {
        const auto second = second_words(program, word);
        text += "            " + described(word, summary_of(program, word)) + "\n";
        if (second.empty()) continue;
        group_names.push_back(word);
        groups += "            (" + word + ") choices=(\n";
        for (const auto& [name, command] : second)
            groups += "                " + described(name, command->summary) + "\n";
        groups += "                ) ;;\n";
    }
    text +=
        "        )\n        _describe -t commands command choices\n        return\n    fi\n"
        "    local command=$words[1]\n    if [[ $command == (" +
        joined(group_names, "|") +
        ") ]]; then\n        _arguments -C $shared '*:: :->words' && return\n        case $command in\n" +
        groups +
        "        esac\n        if (( CURRENT == 1 )); then\n"
        "            _describe -t commands command choices\n            return\n        fi\n"
        "        command+=\" $words[1]\"\n    fi\n    case $command in\n";
    for (const auto& command : program.commands) text += command_case(command);
    return text + "    esac\n";
}

constexpr std::string_view settings = R"zsh(_NAME_settings() {
    local -a settings=(
SETTINGS
    )
    # A key goes on with its value; a value is complete.
    compadd -S '' -- ${(M)settings:#*=}
    compadd -- ${settings:#*=}
}

)zsh";

}  // namespace

std::string zsh_completion(const Program& program) {
    std::string text =
        "#compdef NAME\n# Zsh completion for NAME, generated from the program's own table.\n\n";
    text +=
        replaced(std::string(settings), "SETTINGS", "        " + joined(config::settable(), "\n        "));
    text +=
        "_NAME() {\n    local curcontext=$curcontext state line\n    typeset -A opt_args\n"
        "    local -a shared=(\n";
    for (const auto& option : program.options) text += "        " + spec(option) + "\n";
    text += "    )\n";
    text += program.commands.empty() ? "    _arguments $shared\n" : command_part(program);
    return replaced(text + "}\n\n_NAME \"$@\"\n", "NAME", program.name);
}

}  // namespace memoir::docs
