// What three real shells offer after a line and a TAB.
#include <algorithm>
#include <catch2/catch.hpp>
#include <sstream>

#include "docs/documents.hpp"
#include "support/process.hpp"

using namespace memoir;
using namespace memoir::test;
using Words = std::vector<std::string>;

namespace {

Words lines_of(const test::Finished& finished) {
    INFO(finished.errors);
    CHECK(finished.errors == "");
    Words words;
    std::istringstream lines(finished.output);
    for (std::string line; std::getline(lines, line);) {
        line = line.substr(0, line.find('\t'));  // fish adds the description
        if (!line.empty()) words.push_back(line);
    }
    std::sort(words.begin(), words.end());
    return words;
}

struct Shell {
    const char* name;
    Words (*offers)(const Documents&, const std::string& line);
};

Words bash(const Documents& documents, const std::string& line) {
    // The words are left to the function, which reads the line itself.
    const std::string script =
        "source \"$1\"; COMP_LINE=$2; COMP_POINT=${#2}; _$3; "
        "(( ${#COMPREPLY[@]} == 0 )) || printf '%s\\n' \"${COMPREPLY[@]}\"";
    const auto program = line.substr(0, line.find(' '));
    return lines_of(test::run(
        {{"/bin/bash", "--norc", "-c", script, "bash", documents.path("bash/" + program), line, program},
         {},
         {}}));
}

Words fish(const Documents& documents, const std::string& line) {
    const auto program = line.substr(0, line.find(' '));
    return lines_of(test::run({{"/usr/bin/fish", "--no-config", "-c", "source $argv[1]; complete -C $argv[2]",
                                documents.path("fish/" + program + ".fish"), line},
                               {{"HOME", documents.path("")}},
                               {}}));
}

Words zsh(const Documents& documents, const std::string& line) {
    return lines_of(
        test::run({{"/usr/bin/zsh", "-f", SOURCE_DIR "/tests/docs/complete.zsh", documents.path("zsh"), line},
                   {{"HOME", documents.path("")}, {"TERM", "dumb"}},
                   {}}));
}

const std::vector<Shell> shells{{"bash", bash}, {"zsh", zsh}, {"fish", fish}};

Words sorted(Words words) {
    std::sort(words.begin(), words.end());
    return words;
}

bool offers(const Words& words, const std::string& word) {
    return std::find(words.begin(), words.end(), word) != words.end();
}

}  // namespace

TEST_CASE("a shell completes commands, their words, options, values, keys and files") {
    const auto shell = GENERATE(from_range(shells));
    CAPTURE(shell.name);
    if (!installed(shell.name)) {
        WARN(shell.name << " is not there: its completions are not tried");
        return;
    }
    const Documents documents;
    const auto offered = [&](const std::string& line) {
        auto words = shell.offers(documents, line);
        UNSCOPED_INFO(line);
        for (const auto& word : words) UNSCOPED_INFO("  " + word);
        return words;
    };

    CHECK(offered("memoirctl ") == sorted(docs::first_words(docs::memoirctl())));
    CHECK(offered("memoirctl jo") == Words{"jobs"});
    CHECK(offered("memoirctl jobs ") == Words{"count", "delete", "list", "retry", "show", "why"});
    CHECK(offered("memoirctl --config x.toml jobs l") == Words{"list"});
    CHECK(offered("memoirctl jobs list --sta") == Words{"--state"});
    CHECK(offered("memoirctl jobs list --state ") == Words{"all", "claimed", "failed", "parked", "pending"});
    CHECK(offered("memoirctl jobs list --state failed --kind ex") == Words{"extract"});
    CHECK(offered("memoirctl search word --kind ") == Words{"episodic", "semantic"});
    CHECK(offered("memoirctl --set worker.lea") == Words{"worker.lease="});
    CHECK(offers(offered("memoirctl --set vector.back"), "vector.backend=qdrant"));
    CHECK(offers(offered("memoirctl status --"), "--json"));
    CHECK_FALSE(offers(offered("memoirctl status --"), "--state"));
    CHECK(offered("memoird --unt") == Words{"--until-idle"});
    CHECK(offered("memoird --set log.level=deb").size() == 1);
    const auto files = offered("memoird --config " + documents.path("man8/memoi"));
    CHECK(files.size() == 1);
    CHECK(files.front().ends_with("memoird.8"));
}

TEST_CASE("Bash completes behind an equals sign, which ends a word of its own") {
    const Documents documents;
    CHECK(bash(documents, "memoirctl jobs list --state=p") == Words{"parked", "pending"});
    CHECK(bash(documents, "memoirctl --set vector.backend=") == Words{"postgres", "qdrant"});
    CHECK(bash(documents, "memoirctl --set=log.level=d") == Words{"debug"});
    CHECK(bash(documents, "memoird -c " + documents.path("man8/memoi")) ==
          Words{documents.path("man8/memoird.8")});
}

TEST_CASE("every command and option is offered by each shell's file") {
    for (const auto* program : {&docs::memoird(), &docs::memoirctl()}) {
        const Words files{docs::bash_completion(*program), docs::zsh_completion(*program),
                          docs::fish_completion(*program)};
        for (const auto& text : files) {
            const auto has = [&](const std::string& part) { return text.find(part) != std::string::npos; };
            const auto has_option = [&](const config::Option& option) {
                return has("--" + std::string(option.name)) || has(" -l " + std::string(option.name) + " ");
            };
            for (const auto& option : program->options) CHECK(has_option(option));
            for (const auto& word : docs::first_words(*program)) {
                CHECK(has(word));
                for (const auto& [second, command] : docs::second_words(*program, word)) {
                    CAPTURE(command->name);
                    CHECK(has(second));
                    for (const auto& option : command->options) CHECK(has_option(option));
                }
            }
            for (const auto& setting : config::settable()) CHECK(has(setting));
        }
    }
}
