#include "memory/remember.hpp"

#include <fstream>
#include <iostream>
#include <iterator>
#include <nlohmann/json.hpp>

#include "ctl/cli.hpp"
#include "ctl/commands.hpp"
#include "ctl/context.hpp"
#include "ctl/memory_lines.hpp"
#include "ctl/scope_options.hpp"

namespace memoir::ctl {
namespace {

// Rows a statement: its parameters stay well below what one message may hold.
constexpr std::size_t batch = 1'000;

std::vector<memory::NewMemory> read_file(const std::string& name, const memory::NewMemory& defaults) {
    if (name == "-") return read_memory_lines(std::cin, defaults);
    std::ifstream file(name);
    if (!file) throw Usage("cannot read " + name);
    return read_memory_lines(file, defaults);
}

std::vector<memory::NewMemory> read(const Arguments& arguments) {
    for (const auto* part : {"agent", "org", "user"})
        if (const auto given = arguments.get(part)) check_written(part, *given, "--");
    memory::NewMemory memory{arguments.get("agent", std::string(memory::no_agent)),
                             arguments.get("org", std::string(memory::no_org)),
                             arguments.get("user", ""),
                             {},
                             "{}",
                             {}};
    if (const auto metadata = arguments.get("metadata"))
        memory.metadata = checked_metadata(*metadata, "--metadata");
    if (const auto time = arguments.get("event-at")) memory.event_at = checked_event_at(*time, "--event-at");
    if (const auto file = arguments.get("jsonl")) {
        if (!arguments.rest().empty()) throw Usage("give a TEXT or --jsonl, not both");
        return read_file(*file, memory);
    }
    arguments.need("user");
    if (arguments.rest().size() != 1) throw Usage("give one TEXT (in quotes), or - to read standard input");
    memory.content = arguments.rest()[0];
    if (memory.content == "-") {
        memory.content.assign(std::istreambuf_iterator<char>(std::cin), std::istreambuf_iterator<char>());
        if (memory.content.ends_with('\n'))
            memory.content.pop_back();  // the end of the last line is no content
    }
    if (memory.content.find('\0') != std::string::npos)
        throw Usage("the text holds a NUL character, which PostgreSQL cannot store");
    return {std::move(memory)};
}

int run(Context& context, const Arguments& arguments) {
    const auto memories = read(arguments);
    // The writer's configuration decides which jobs exist.
    const memory::Enqueue enqueue{context.config().extraction.has_value(),
                                  context.config().graph && context.config().relational};
    std::vector<std::string> pids;
    // One transaction: a file is stored whole or not at all.
    pg::Transaction transaction(context.database(), pg::Transaction::Durability::on);
    for (std::size_t at = 0; at < memories.size(); at += batch) {
        const auto part = std::span(memories).subspan(at, std::min(batch, memories.size() - at));
        for (auto& pid : memory::remember(transaction, context.schema(), part, enqueue))
            pids.push_back(std::move(pid));
    }
    transaction.commit();
    const auto jobs =
        pids.size() * (1U + (enqueue.extract ? 1U : 0U) + (enqueue.relational_extract ? 1U : 0U));
    context.log().info(
        "memoir.admin.remembered", "memories were stored and their jobs enqueued",
        {{"memories", static_cast<std::int64_t>(pids.size())}, {"jobs", static_cast<std::int64_t>(jobs)}});
    context.print({{"pids", pids}, {"jobs", jobs}}, [&](std::ostream& out) {
        if (arguments.has("jsonl"))
            out << "stored " << pids.size() << " memories with " << jobs << " jobs\n";
        else
            out << pids.front() << '\n';
    });
    return ok;
}

}  // namespace

Command remember_command() {
    return {
        "remember",
        "[TEXT|-]",
        "store memories and enqueue their jobs, as the library does",
        {{"user", "U", "whose memory; for a file: where a line names none"},
         {"agent", "A", "its agent; left out: none; for a file: where a line names none"},
         {"org", "O", "as --agent"},
         {"metadata", "JSON", "an object"},
         {"event-at", "TIME", "when it happened: RFC 3339, or a date"},
         {"jsonl", "FILE", "one JSON object a line: user, content, agent?, org?, metadata?, event_at?"}},
        run,
        "With - the text is read from standard input. A file of --jsonl is stored whole or not at all. "
        "Which jobs a memory gets depends on the sections of the configuration: extract with "
        "[extraction], relational_extract with [graph] and [relational]. A memory may have no agent and no "
        "organisation (null in a line says so although there is an option), never no user."};
}

}  // namespace memoir::ctl
