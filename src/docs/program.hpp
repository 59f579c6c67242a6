#pragma once
// The two programs as tables, and what is written from them at build time: man pages, and completions for
// three shells. The same tables parse the command lines, so that neither can be out of date. The texts depend
// on the tables alone: they contain no date and no path. Thread safety: values and pure functions.

#include <string>
#include <string_view>
#include <vector>

#include "config/command_line.hpp"
#include "config/config.hpp"
#include "ctl/command.hpp"

namespace memoir::docs {

using config::Option;

struct Program {
    std::string_view name;
    std::vector<Option> options;         // of every command, or the only ones where there are no commands
    std::vector<ctl::Command> commands;  // none: memoird
};
const Program& memoird();
const Program& memoirctl();

std::string memoird_page();    // memoird(8)
std::string memoirctl_page();  // memoirctl(1)

std::string bash_completion(const Program& program);
std::string zsh_completion(const Program& program);
std::string fish_completion(const Program& program);

// All documents, each with its path below the output folder: "man8/memoird.8".
struct Document {
    std::string path, text;
};
std::vector<Document> all_documents();

// For the writers of completions.
enum class Takes { nothing, text, choice, file, setting };
Takes takes(const Option& option);
std::string spelled(const Option& option);  // "--kind"
// The first words of the commands in their order, each once; and the second words of one of them ("jobs").
std::vector<std::string> first_words(const Program& program);
struct SecondWord {
    std::string word;
    const ctl::Command* command;
};
std::vector<SecondWord> second_words(const Program& program,
                                     std::string_view first);  // none: it is a command by itself
// The description of a first word: the summary of the command of that name, then its second words.
std::string summary_of(const Program& program, std::string_view first);

}  // namespace memoir::docs
