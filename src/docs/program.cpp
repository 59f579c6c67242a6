#include "docs/program.hpp"

#include <algorithm>

#include "app/command_line.hpp"

namespace memoir::docs {

const Program& memoird() {
    static const Program program{"memoird", app::options(), {}};
    return program;
}

const Program& memoirctl() {
    static const Program program{"memoirctl", ctl::shared_options(), ctl::commands()};
    return program;
}

Takes takes(const Option& option) {
    if (option.value.empty()) return Takes::nothing;
    if (!option.choices.empty()) return Takes::choice;
    if (option.value == "FILE") return Takes::file;
    return option.value == "KEY=VALUE" ? Takes::setting : Takes::text;
}

std::string spelled(const Option& option) {
    return "--" + std::string(option.name);
}

std::vector<std::string> first_words(const Program& program) {
    std::vector<std::string> words;
    for (const auto& command : program.commands) {
        std::string word(command.name.substr(0, command.name.find(' ')));
        if (std::ranges::find(words, word) == words.end()) words.push_back(std::move(word));
    }
    return words;
}

std::vector<SecondWord> second_words(const Program& program, std::string_view first) {
    std::vector<SecondWord> words;
    for (const auto& command : program.commands) {
        const auto space = command.name.find(' ');
        if (space == std::string_view::npos || command.name.substr(0, space) != first) continue;
        words.push_back({std::string(command.name.substr(space + 1)), &command});
    }
    return words;
}

std::string summary_of(const Program& program, std::string_view first) {
    std::string summary;
    for (const auto& command : program.commands)
        if (command.name == first) summary = command.summary;
    for (const auto& second : second_words(program, first))
        summary += (summary.empty() ? "" : ", ") + second.word;
    return summary;
}

std::vector<Document> all_documents() {
    std::vector<Document> all{{"man5/memoird.toml.5", config::describe(config::Format::man)},
                              {"man8/memoird.8", memoird_page()},
                              {"man1/memoirctl.1", memoirctl_page()}};
    for (const auto* program : {&memoird(), &memoirctl()}) {
        const std::string name(program->name);
        all.push_back({"bash/" + name, bash_completion(*program)});
        all.push_back({"zsh/_" + name, zsh_completion(*program)});
        all.push_back({"fish/" + name + ".fish", fish_completion(*program)});
    }
    return all;
}

}  // namespace memoir::docs
