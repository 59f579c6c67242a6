#include "memory/reconcile.hpp"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <ostream>

#include "ctl/cli.hpp"
#include "ctl/commands.hpp"
#include "ctl/context.hpp"
#include "ctl/scope_options.hpp"
#include "vector/index.hpp"

namespace memoir::ctl {
namespace {

// Rows a transaction: locks are held for a moment only.
constexpr int batch = 500;

std::int64_t enqueue_missing(Context& context, bool failed, bool dry_run) {
    std::int64_t count = 0;
    std::string after;
    for (;;) {
        const auto pids = memory::without_vector(context.database(), context.schema(), failed, after, batch);
        if (pids.empty()) return count;
        after = pids.back();
        count += static_cast<std::int64_t>(pids.size());
        if (dry_run) continue;
        pg::Transaction transaction(context.database(), pg::Transaction::Durability::on);
        memory::reindex(transaction, context.schema(), pids);
        memory::forget_failed_embeds(transaction, context.schema(), pids);
        transaction.commit();
    }
}

std::int64_t remove_orphans(Context& context, bool dry_run) {
    std::vector<std::string> gone;
    context.index().each_pid(
        [&](std::span<const std::string> pids) {
            for (auto& pid : memory::without_memory(context.database(), context.schema(), pids))
                gone.push_back(std::move(pid));
        },
        {});
    // A memory may have had several points, in several pages.
    std::sort(gone.begin(), gone.end());
    gone.erase(std::unique(gone.begin(), gone.end()), gone.end());
    if (!dry_run)
        for (std::size_t at = 0; at < gone.size(); at += batch)
            context.index().remove(
                std::span(gone).subspan(at, std::min<std::size_t>(batch, gone.size() - at)), {});
    return static_cast<std::int64_t>(gone.size());
}

// Its jobs would only wait, or end as no-ops: the library's rebuild enqueues none without that model, either.
void require_relational(const config::Config& config) {
    if (!config.relational)
        throw StartError("no relational model is configured, so nothing was done",
                         "add the [relational] section of the hosts that read memories for the graph");
}

int run(Context& context, const Arguments& arguments) {
    if (!arguments.rest().empty()) throw Usage("reconcile takes no argument beside its options");
    const bool dry_run = arguments.has("dry-run"), graph = arguments.has("rebuild-graph"),
               orphans = arguments.has("orphans");
    nlohmann::json document{{"dry_run", dry_run}};
    std::vector<telemetry::Field> fields;
    const auto did = [&](const char* what, std::int64_t count) {
        document[what] = count;
        fields.push_back({what, count});
    };
    if (graph) {
        const auto scope = written_scope(arguments);
        require_relational(context.config());
        const auto rebuild = memory::rebuild_graph(context.database(), context.schema(), scope, dry_run);
        did("relational_extract_jobs", rebuild.enqueued);
        did("retried_jobs", rebuild.retried);
        did("blocked_sources", rebuild.blocked);
    }
    if (orphans) did("orphans", remove_orphans(context, dry_run));
    // The two that name something else are asked for alone; --failed says more about this one.
    if (arguments.has("failed") || (!graph && !orphans))
        did("embed_jobs", enqueue_missing(context, arguments.has("failed"), dry_run));
    if (!dry_run)
        context.log().info("memoir.admin.reconciled", "an operator reconciled the stores", std::move(fields));
    context.print(document, [&](std::ostream& out) {
        const auto line = [&](const char* what, const char* would, const char* done) {
            if (document.contains(what)) out << (dry_run ? would : done) << document[what] << '\n';
        };
        line("embed_jobs", "memories without a vector: ", "embed jobs enqueued: ");
        line("orphans", "vectors without a memory: ", "vectors without a memory removed: ");
        line("relational_extract_jobs",
             "memories to read for the graph: ", "relational_extract jobs enqueued: ");
        line("retried_jobs", "failed jobs of the graph to retry: ", "failed jobs of the graph retried: ");
        if (document.value("blocked_sources", 0) > 0)
            out << "memories whose failed extract keeps them out of the graph: "
                << document["blocked_sources"]
                << "\nHINT: memoirctl jobs list --state failed --kind extract; then retry or delete them\n";
    });
    return ok;
}

}  // namespace

Command reconcile_command() {
    return {
        "reconcile",
        "",
        "enqueue what has no vector, remove vectors without a memory, rebuild a scope's graph",
        {{"failed", "", "also memories whose embedding failed for good"},
         {"orphans", "", "remove vectors whose memory is gone or retired"},
         {"rebuild-graph", "", "read the scope's memories for the graph again, through the queue"},
         {"user", "U", "the scope to rebuild"},
         {"agent", "A", "its agent; left out: none"},
         {"org", "O", "its organisation; left out: none"},
         {"dry-run", "", "only count"}},
        run,
        "With no option, or with --failed, enqueues an embed job for each active memory that has no "
        "vector, in place of the one that failed. --rebuild-graph takes one scope as it is stored, and does "
        "nothing without [relational]. What is enqueued is done by the hosts, as any job."};
}

}  // namespace memoir::ctl
