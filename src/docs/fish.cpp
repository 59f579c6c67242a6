#include "docs/program.hpp"
#include "docs/text.hpp"

namespace memoir::docs {
namespace {

std::string in_quotes(std::string_view text) {
    return "'" + escaped(text, "\\'") + "'";
}

// " -l kind -x -a 'embed extract' -d 'of this kind only'"
std::string spec(const Option& option) {
    std::string text;
    if (option.letter) text += std::string(" -s ") + option.letter;
    text += " -l " + std::string(option.name);
    switch (takes(option)) {
        case Takes::nothing:
            break;
        case Takes::text:
            text += " -x";
            break;
        case Takes::choice:
            text += " -x -a " + in_quotes(joined({option.choices.begin(), option.choices.end()}, " "));
            break;
        case Takes::file:
            text += " -r -F";
            break;
        case Takes::setting:
            text += " -x -a '(__NAME_settings)'";
            break;
    }
    return text + " -d " + in_quotes(option.help) + "\n";
}

std::string line(const std::string& at, const std::string& rest) {
    return "complete -c NAME -n \"__NAME_at " + in_quotes(at) + "\"" + rest;
}

// Options whose values are not words of a command.
std::vector<std::string> names_with_value(const Program& program) {
    std::vector<std::string> names;
    const auto add = [&](const Option& option) {
        if (takes(option) == Takes::nothing) return;
        if (option.letter) names.push_back(std::string("-") + option.letter);
        names.push_back(spelled(option));
    };
    for (const auto& option : program.options) add(option);
    for (const auto& command : program.commands)
        for (const auto& option : command.options) add(option);
    return names;
}

constexpr std::string_view functions =
    R"fish(# The words of the command before the cursor: "", "jobs", "jobs list".
function __NAME_command
    set -l words (commandline -opc)
    set -l command
    set -l value_follows no
    for word in $words[2..-1]
        if test $value_follows = yes
            set value_follows no
            continue
        end
        switch $word
            case WITH_VALUE
                set value_follows yes
            case '-*'
            case '*'
                set -a command $word
                contains -- "$command" GROUPS
                or break
        end
    end
    echo "$command"
end

function __NAME_at
    set -l at (__NAME_command)
    test "$at" = "$argv[1]"
end

)fish";

std::string commands(const Program& program) {
    std::string text;
    std::vector<std::string> groups;
    for (const auto& word : first_words(program)) {
        const auto second = second_words(program, word);
        text += line("", " -a " + word + " -d " + in_quotes(summary_of(program, word)) + "\n");
        for (const auto& [name, command] : second)
            text += line(word, " -a " + name + " -d " + in_quotes(command->summary) + "\n");
        if (!second.empty()) groups.push_back(word);
    }
    for (const auto& command : program.commands)
        for (const auto& option : command.options) text += line(std::string(command.name), spec(option));
    return replaced(replaced(std::string(functions), "WITH_VALUE", joined(names_with_value(program), " ")),
                    "GROUPS", joined(groups, " ")) +
           text;
}

}  // namespace

std::string fish_completion(const Program& program) {
    std::string text =
        "# Fish completion for NAME, generated from the program's own table.\n\n"
        "function __NAME_settings\n    printf '%s\\n' \\\n        " +
        joined(config::settable(), " \\\n        ") + "\nend\n\ncomplete -c NAME -f\n";
    for (const auto& option : program.options) text += "complete -c NAME" + spec(option);
    if (!program.commands.empty()) text += commands(program);
    return replaced(text, "NAME", program.name);
}

}  // namespace memoir::docs
