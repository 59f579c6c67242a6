// Works without the package bash-completion: words are split again here, because Bash ends them at "=" and
// ":".

#include <algorithm>

#include "docs/program.hpp"
#include "docs/text.hpp"

namespace memoir::docs {
namespace {

// --config FILE and -c FILE, for every option of the program that takes a value.
std::string options_with_value(const Program& program) {
    std::vector<std::string> names;
    const auto add = [&](const Option& option) {
        if (takes(option) == Takes::nothing) return;
        if (option.letter) names.push_back(std::string("-") + option.letter);
        if (std::ranges::find(names, spelled(option)) == names.end()) names.push_back(spelled(option));
    };
    for (const auto& option : program.options) add(option);
    for (const auto& command : program.commands)
        for (const auto& option : command.options) add(option);
    return joined(names, " | ");
}

std::string print(const std::vector<std::string>& words) {
    return "printf '%s\\n' " + joined(words, words.size() > 12 ? " \\\n            " : " ");
}

std::string options_function(const Program& program) {
    std::string cases;
    for (const auto& command : program.commands) {
        if (command.options.empty()) continue;
        std::vector<std::string> names;
        for (const auto& option : command.options) names.push_back(spelled(option));
        cases += "        '" + std::string(command.name) + "') " + print(names) + " ;;\n";
    }
    std::vector<std::string> shared;
    for (const auto& option : program.options) shared.push_back(spelled(option));
    if (!cases.empty()) cases = "    case $1 in\n" + cases + "    esac\n";
    return "_NAME_options() {\n" + cases + "    " + print(shared) + "\n}\n";
}

std::string words_function(const Program& program) {
    const auto first = first_words(program);
    std::string cases = "        '') " + (first.empty() ? ":" : print(first)) + " ;;\n";
    for (const auto& word : first) {
        std::vector<std::string> second;
        for (const auto& [name, command] : second_words(program, word)) second.push_back(name);
        if (!second.empty()) cases += "        " + word + ") " + print(second) + " ;;\n";
    }
    return "# The words that may follow those of $1.\n_NAME_words() {\n    case $1 in\n" + cases +
           "    esac\n}\n";
}

// Values by "COMMAND --option"; those of an option of every command by " --option".
std::string values_function(const Program& program) {
    std::string cases;
    const auto add = [&](std::string_view pattern, const Option& option) {
        const std::string where = "        " + std::string(pattern) + "'" + spelled(option) + "') ";
        if (takes(option) == Takes::choice)
            cases += where + print({option.choices.begin(), option.choices.end()}) + " ;;\n";
        if (takes(option) == Takes::file) cases += where + "compgen -f -- \"$3\" ;;\n";
        if (takes(option) == Takes::setting) cases += where + print(config::settable()) + " ;;\n";
    };
    for (const auto& option : program.options) add("*", option);
    for (const auto& command : program.commands)
        for (const auto& option : command.options) add("'" + std::string(command.name) + " '", option);
    return "# What option $2 of command $1 may be; $3 has been typed.\n_NAME_values() {\n    case \"$1 $2\" "
           "in\n" +
           cases + "    esac\n}\n";
}

constexpr std::string_view body = R"sh(_NAME() {
    local line=${COMP_LINE:0:COMP_POINT} cur='' command='' option='' lead='' word
    local -a words
    read -ra words <<<"$line"
    if [[ $line != *[[:space:]] ]]; then
        cur=${words[${#words[@]} - 1]}
        unset "words[${#words[@]} - 1]"
    fi
    for word in "${words[@]:1}"; do
        if [[ $option ]]; then
            option=''
            continue
        fi
        case $word in
            WITH_VALUE) option=$word ;;
            -*) ;;
            *) [[ ! $command || $command != *' '* && $(_NAME_words "$command") ]] && command+=${command:+ }$word ;;
        esac
    done
    if [[ ! $option && $cur == --*=* ]]; then
        option=${cur%%=*} lead=${cur%%=*}=
    fi
LETTERS
    local candidates
    if [[ $option ]]; then
        candidates=$(_NAME_values "$command" "$option" "${cur#"$lead"}")
    elif [[ $cur == -* ]]; then
        candidates=$(_NAME_options "$command")
    else
        candidates=$(_NAME_words "$command")
    fi
    COMPREPLY=()
    local breaks='' known
    # What Bash takes for the word in hand begins after the last of its breaks.
    [[ $cur == *[=:]* && $COMP_WORDBREAKS == *=* ]] && breaks=${cur%"${cur##*[=:]}"}
    while IFS= read -r known; do
        [[ $known && $lead$known == "$cur"* ]] && COMPREPLY+=("${lead:+$lead}$known")
    done <<<"$candidates"
    COMPREPLY=("${COMPREPLY[@]#"$breaks"}")
    if [[ $option == --config || $option == --jsonl ]]; then
        compopt -o filenames 2>/dev/null
    elif [[ ${#COMPREPLY[@]} == 1 && ${COMPREPLY[0]} == *= ]]; then
        compopt -o nospace 2>/dev/null
    fi
}
complete -F _NAME NAME
)sh";

}  // namespace

std::string bash_completion(const Program& program) {
    std::string letters, files;
    std::vector<std::string> of_files;
    const auto look = [&](const Option& option) {
        if (option.letter && takes(option) != Takes::nothing)
            letters += std::string("    [[ $option == -") + option.letter +
                       " ]] && option=" + spelled(option) + "\n";
        if (takes(option) == Takes::file) of_files.push_back("$option == " + spelled(option));
    };
    for (const auto& option : program.options) look(option);
    for (const auto& command : program.commands)
        for (const auto& option : command.options) look(option);
    std::string text(body);
    text = replaced(text, "WITH_VALUE", options_with_value(program));
    text = replaced(text, "LETTERS\n", letters);
    text = replaced(text, "$option == --config || $option == --jsonl", joined(of_files, " || "));
    return replaced("# Bash completion for NAME, generated from the program's own table.\n\n" +
                        options_function(program) + "\n" + words_function(program) + "\n" +
                        values_function(program) + "\n" + text,
                    "NAME", program.name);
}

}  // namespace memoir::docs
