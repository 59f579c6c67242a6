#include "soak/agents.hpp"

#include <thread>

#include "base/pause.hpp"

namespace memoir::soak {

namespace {

// A transaction of an agent's that is tried again until it stands: the database may be away, and a commit
// whose answer was lost is asked after by `stands`.
template <typename Do, typename Stands>
void until_it_stands(World& world, Do&& change, Stands&& stands) {
    for (;;) {
        try {
            const auto connection = world.schema.connect();
            if (stands(*connection)) return;
            pg::Transaction transaction(*connection, pg::Transaction::Durability::on);
            change(transaction);
            transaction.commit();
            return;
        } catch (const pg::Error&) {
            std::this_thread::sleep_for(std::chrono::milliseconds(50));
        }
    }
}

}  // namespace

std::string Agents::some_memory() {
    if (living_.empty()) return {};
    auto at = living_.begin();
    std::advance(at, between(random_, 0, static_cast<int>(living_.size()) - 1));
    return at->first;
}

void Agents::run(const std::stop_token& stop) {
    while (!stop.stop_requested()) {
        const auto what = between(random_, 0, 99);
        const auto name = some_memory();
        if (what < 60 || name.empty())
            remember();
        else if (what < 75)
            edit(name);
        else if (what < 88)
            correct(name);
        else
            forget(name);
        pause(std::chrono::milliseconds(between(random_, 5, 60)), stop);
    }
}

void Agents::remember() {
    const auto name = "m" + std::to_string(next_++);
    const auto schema = "\"" + world_.schema.name() + "\".";
    until_it_stands(
        world_,
        [&](pg::Transaction& transaction) {
            transaction.exec(
                "insert into " + schema +
                    "memories (pid, agent_id, org_id, user_id, content) values ($1, 'a', 'o', 'u', $2)",
                pg::Params().add(name).add(content(name, 1)));
            transaction.exec(
                "insert into " + schema +
                    "memory_jobs (source_pid, kind, payload) select $1, k, '{\"origin\": \"remember\"}' "
                    "from unnest(array['embed', 'extract']) k",
                pg::Params().add(name));
        },
        [&](pg::Connection& connection) {
            return !connection
                        .exec("select 1 from " + schema + "memories where pid = $1", pg::Params().add(name))
                        .empty();
        });
    living_[name] = {};
}

void Agents::edit(const std::string& name) {
    const auto version = ++living_[name].version;
    const auto schema = "\"" + world_.schema.name() + "\".";
    until_it_stands(
        world_,
        [&](pg::Transaction& transaction) {
            transaction.exec(
                "update " + schema + "memories set content = $2, qdrant_status = 'pending' where pid = $1",
                pg::Params().add(name).add(content(name, version)));
            transaction.exec("insert into " + schema +
                                 "memory_jobs (source_pid, kind, payload) values ($1, 'embed', '{\"origin\": "
                                 "\"edit\"}'), ($1, 'reprocess', '{\"reason\": \"stale\", \"top_k\": 0}')",
                             pg::Params().add(name));
        },
        [&](pg::Connection& connection) {
            return !connection
                        .exec("select 1 from " + schema + "memories where pid = $1 and content = $2",
                              pg::Params().add(name).add(content(name, version)))
                        .empty();
        });
}

void Agents::correct(const std::string& name) {
    const auto feedback = name + " correction " + std::to_string(++living_[name].corrections);
    const auto schema = "\"" + world_.schema.name() + "\".";
    bool sent = false;  // a correction whose commit is not known is not sent twice: the checker allows for it
    until_it_stands(
        world_,
        [&](pg::Transaction& transaction) {
            transaction.exec(
                "insert into " + schema +
                    "memory_jobs (source_pid, kind, payload) values ($1, 'reprocess', "
                    "jsonb_build_object('reason', 'rejected', 'top_k', 0, 'feedback', $2::text))",
                pg::Params().add(name).add(feedback));
            sent = true;
        },
        [&](pg::Connection&) { return sent; });
}

void Agents::forget(const std::string& name) {
    const auto schema = "\"" + world_.schema.name() + "\".";
    std::vector<std::string> pids{name};
    until_it_stands(
        world_,
        [&](pg::Transaction& transaction) {
            const auto facts = transaction.exec(
                "select pid from " + schema + "memories where source_pid = $1", pg::Params().add(name));
            for (int row = 0; row < facts.rows(); ++row) pids.push_back(facts.string(row, 0));
            transaction.exec("delete from " + schema + "memories where pid = $1", pg::Params().add(name));
        },
        [&](pg::Connection& connection) {
            return connection
                .exec("select 1 from " + schema + "memories where pid = $1", pg::Params().add(name))
                .empty();
        });
    world_.forget_points(pids);
    living_.erase(name);
    forgotten_.insert(name);
}

}  // namespace memoir::soak
