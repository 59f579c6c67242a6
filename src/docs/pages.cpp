// memoird(8) and memoirctl(1).

#include "app/command_line.hpp"
#include "base/join.hpp"
#include "base/roff.hpp"
#include "docs/program.hpp"

namespace memoir::docs {
namespace {

using base::RoffPage;

std::string term(const Option& option) {
    std::string text = option.letter ? RoffPage::bold(std::string("-") + option.letter) + ", " : "";
    text += RoffPage::bold(spelled(option));
    return option.value.empty() ? text : text + " " + RoffPage::italic(option.value);
}

// A help text is a fragment; in a page it is a sentence.
std::string sentence(std::string_view help) {
    std::string text(help);
    if (!text.empty() && text[0] >= 'a' && text[0] <= 'z') text[0] = static_cast<char>(text[0] - 'a' + 'A');
    return text.ends_with('.') ? text : text + ".";
}

void write_options(RoffPage& page, const std::vector<Option>& options) {
    for (const auto& option : options) {
        page.entry(term(option), sentence(option.help));
        if (option.choices.empty()) continue;
        page.text("One of " + join(option.choices) + ".");
    }
}

void write_synopsis(RoffPage& page, std::string_view name, const std::vector<Option>& options) {
    std::string line = RoffPage::bold(name);
    for (const auto& option : options) {
        if (option.name == "help" || option.name == "version") continue;
        line += " [" + RoffPage::bold(spelled(option)) +
                (option.value.empty() ? "" : " " + RoffPage::italic(option.value)) + "]" +
                (option.repeatable ? " ..." : "");
    }
    page.line(line);
}

void write_command(RoffPage& page, const ctl::Command& command) {
    page.subheading(command.name);
    std::string line = RoffPage::bold("memoirctl " + std::string(command.name));
    for (const auto& option : command.options)
        line += " [" + RoffPage::bold(spelled(option)) +
                (option.value.empty() ? "" : " " + RoffPage::italic(option.value)) + "]";
    if (!command.rest.empty()) line += " " + RoffPage::italic(command.rest);
    page.line(line);
    page.paragraph();
    page.text(sentence(command.summary));
    if (!command.details.empty()) page.text(command.details);
    write_options(page, command.options);
}

}  // namespace

std::string memoird_page() {
    RoffPage page("memoird", "8", "System administration", "worker daemon of an AI-memory system");
    page.heading("SYNOPSIS");
    write_synopsis(page, "memoird", memoird().options);
    page.heading("DESCRIPTION");
    page.text(
        "memoird claims jobs from the table memory_jobs in PostgreSQL, does the work of their kind, and "
        "settles them: it embeds memories and indexes their vectors, extracts facts, labels them, works "
        "corrections in, and keeps a knowledge graph. Any number of memoirds on any number of hosts share "
        "one queue.");
    page.paragraph();
    page.text(
        "What a job changes and the removal of its row are one transaction, guarded by the claim. An outage of "
        "a backend costs time, not attempts. No log, metric or status page contains what people said.");
    page.paragraph();
    page.text(
        "memoird is meant to be started by systemd, to which it reports readiness, status and liveness. It is "
        "ready when the database has been reached, the schema is right, and every backend has been tried "
        "once; a backend that is away does not delay the start.");
    page.heading("OPTIONS");
    write_options(page, memoird().options);
    page.heading("SIGNALS");
    for (const auto& [name, text] : app::signals()) page.entry(RoffPage::bold(name), text);
    page.heading("EXIT STATUS");
    for (const auto& [code, text] : app::exit_codes()) page.entry(RoffPage::bold(code), text);
    page.heading("ENVIRONMENT");
    page.entry(RoffPage::bold("MEMOIRD_SECTION_KEY"),
               "Sets a key of the configuration: MEMOIRD_WORKER_LEASE for worker.lease.");
    page.entry(RoffPage::bold("CREDENTIALS_DIRECTORY"),
               "The directory of credentials (KEY_credential); set by systemd.");
    page.entry(RoffPage::bold("PGHOST, PGPASSFILE, ..."),
               "libpq's variables; they apply to what database.url leaves out.");
    page.entry(RoffPage::bold("http_proxy, https_proxy, no_proxy"), "Proxies, as for curl(1).");
    page.heading("FILES");
    page.entry(RoffPage::italic(config::default_file), "The configuration; see memoird.toml(5).");
    page.entry(RoffPage::italic("/etc/memoird/NAME.toml"),
               "The configuration of the instance memoird@NAME.service.");
    page.entry(RoffPage::italic("/etc/memoird/credentials/"),
               "Secrets that only root can read; the unit passes them on (LoadCredential=).");
    page.entry(RoffPage::italic("/usr/share/memoird/models/"), "In-process models.");
    page.heading("EXAMPLES");
    page.example({"systemctl start memoird", "journalctl -u memoird MEMOIR_EVENT=memoir.worker.job_failed",
                  "memoird --check-config --config ./memoird.toml",
                  "memoird --set lanes.llm.loops=2 --until-idle"});
    page.heading("SEE ALSO");
    page.see_also({"memoirctl(1)", "memoird.toml(5)", "journalctl(1)", "systemd.service(5)"});
    return std::move(page).take();
}

std::string memoirctl_page() {
    RoffPage page("memoirctl", "1", "User commands", "inspect and operate memoird's queue");
    page.heading("SYNOPSIS");
    page.line(RoffPage::bold("memoirctl") + " " + RoffPage::italic("COMMAND") + " [" +
              RoffPage::italic("OPTIONS") + "]");
    page.heading("DESCRIPTION");
    page.text(
        "memoirctl is the operator's tool for memoird(8). It reads the same configuration and connects to the "
        "same database and backends; memoird need not be running. It does not print what people said, unless "
        "an option asks for it.");
    page.heading("OPTIONS OF EVERY COMMAND");
    write_options(page, memoirctl().options);
    page.heading("COMMANDS");
    for (const auto& command : memoirctl().commands) write_command(page, command);
    page.heading("EXIT STATUS");
    for (const auto& [code, text] : ctl::exit_codes()) page.entry(RoffPage::bold(std::to_string(code)), text);
    page.heading("ENVIRONMENT");
    page.text("As for memoird(8).");
    page.heading("FILES");
    page.entry(RoffPage::italic(config::default_file), "The configuration; see memoird.toml(5).");
    page.heading("EXAMPLES");
    page.example({"memoirctl status", "memoirctl jobs list --kind extract --json",
                  "memoirctl jobs retry --all --dry-run", "memoirctl pause --kind synthesize",
                  "memoirctl schema grants memoird | psql memoir"});
    page.heading("SEE ALSO");
    page.see_also({"memoird(8)", "memoird.toml(5)"});
    return std::move(page).take();
}

}  // namespace memoir::docs
