// The man pages: complete, without a complaint of those who read roff, and the same wherever they are built.
#include <catch2/catch.hpp>
#include <sstream>

#include "app/command_line.hpp"
#include "config/keys.hpp"
#include "docs/documents.hpp"
#include "support/process.hpp"

using namespace memoir;
using namespace memoir::test;

namespace {

// As a terminal shows it, in one line, with single spaces and no hyphenation.
std::string shown(const std::string& page) {
    const auto finished =
        test::run({{"/usr/bin/groff", "-man", "-Tascii", "-P-c", "-rHY=0", "-rLL=500n", page},
                   {{"GROFF_NO_SGR", "1"}},
                   {}});
    std::string text;
    for (std::size_t i = 0; i < finished.output.size(); ++i) {
        const char c = finished.output[i];
        if (i + 1 < finished.output.size() && finished.output[i + 1] == '\b') {
            ++i;  // overstruck: bold and underlined
            continue;
        }
        if (c == '\n' || c == ' ') {
            if (!text.ends_with(' ')) text += ' ';
        } else {
            text += c;
        }
    }
    return text;
}

bool has(const std::string& text, std::string_view part) {
    return text.find(part) != std::string::npos;
}

}  // namespace

TEST_CASE("nobody who reads roff has a complaint about a page") {
    const Documents documents;
    const auto page =
        documents.path(std::string(GENERATE("man1/memoirctl.1", "man5/memoird.toml.5", "man8/memoird.8")));
    CAPTURE(page);
    if (installed("groff")) {
        const auto finished = test::run({{"/usr/bin/groff", "-ww", "-man", "-Tutf8", "-z", page}, {}, {}});
        CHECK(finished.errors == "");
    } else {
        WARN("groff is not there: the pages are not tried with it");
    }
    if (installed("man")) {
        const auto finished =
            test::run({{"/usr/bin/man", "--warnings", "-E", "UTF-8", "-l", "-Tutf8", "-Z", page},
                       {{"MANROFFSEQ", ""}, {"LC_ALL", "C.UTF-8"}, {"MANWIDTH", "80"}},
                       {}});
        CHECK(finished.errors == "");
        CHECK(finished.code == 0);
    } else {
        WARN("man is not there: the pages are not tried with it");
    }
    if (!installed("mandoc")) {
        WARN("mandoc is not there: the pages are not tried with it");
        return;
    }
    std::istringstream complaints(test::run({{"/usr/bin/mandoc", "-T", "lint", page}, {}, {}}).output);
    // The one thing that we leave out on purpose: a date would differ from build to build.
    for (std::string line; std::getline(complaints, line);)
        if (!has(line, "missing date")) FAIL_CHECK(line);
}

TEST_CASE("memoird.toml(5) has every section and every key") {
    if (!installed("groff")) {
        WARN("groff is not there: the page is not read");
        return;
    }
    const Documents documents;
    const auto page = shown(documents.path("man5/memoird.toml.5"));
    for (const auto& section : config::sections())
        if (section.name != "lanes.*") CHECK(has(page, "[" + std::string(section.name) + "]"));
    for (const auto& key : config::keys()) {
        CAPTURE(key.section, key.name);
        if (key.name == "*") continue;
        CHECK(has(page, " " + std::string(key.name) +
                            (key.type != config::Type::secret ? " "
                             : key.inline_secret              ? ", "
                                                              : "_file, ")));
        // Backquotes are typography here.
        std::string help(key.help);
        std::erase(help, '`');
        CHECK(has(page, help));
    }
}

TEST_CASE("memoirctl(1) has every command with its options and exit codes") {
    if (!installed("groff")) {
        WARN("groff is not there: the page is not read");
        return;
    }
    const Documents documents;
    const auto page = shown(documents.path("man1/memoirctl.1"));
    for (const auto& command : ctl::commands()) {
        CAPTURE(command.name);
        CHECK(has(page, "memoirctl " + command.synopsis()));
        CHECK(has(page, std::string(command.summary.substr(1))));
        for (const auto& option : command.options) {
            CHECK(has(page, " --" + std::string(option.name) + " "));
            CHECK(has(page, std::string(option.help.substr(1))));
        }
    }
    for (const auto& option : ctl::shared_options()) CHECK(has(page, "--" + std::string(option.name) + " "));
    for (const auto& [code, text] : ctl::exit_codes())
        CHECK(has(page, std::to_string(code) + " " + std::string(text)));
}

TEST_CASE("memoird(8) has every option, signal and exit code") {
    if (!installed("groff")) {
        WARN("groff is not there: the page is not read");
        return;
    }
    const Documents documents;
    const auto page = shown(documents.path("man8/memoird.8"));
    for (const auto& option : app::options()) {
        CHECK(has(page, "--" + std::string(option.name) + " "));
        CHECK(has(page, std::string(option.help.substr(1))));
    }
    for (const auto& [name, text] : app::signals())
        CHECK(has(page, std::string(name) + " " + std::string(text)));
    for (const auto& [code, text] : app::exit_codes())
        CHECK(has(page, std::string(code) + " " + std::string(text)));
}

TEST_CASE("no document tells when or where it was built") {
    for (const auto& document : docs::all_documents()) {
        CAPTURE(document.path);
        CHECK_FALSE(has(document.text, SOURCE_DIR));
        CHECK_FALSE(has(document.text, BINARY_DIR));
        CHECK_FALSE(has(document.text, std::string(__DATE__).substr(7)));  // the year
        CHECK(document.text.ends_with('\n'));
    }
}

TEST_CASE("the build has written what the tables say") {
    for (const auto& document : docs::all_documents()) {
        CAPTURE(document.path);
        std::ifstream file(std::string(BINARY_DIR "/docs/") + document.path, std::ios::binary);
        if (!file) {
            WARN("the target docs is not built");
            return;
        }
        std::ostringstream written;
        written << file.rdbuf();
        CHECK(written.str() == document.text);
    }
}
