#include "soak/world.hpp"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "support/wait.hpp"
#include "system/queue_fixture.hpp"

namespace memoir::soak {

using namespace memoir::test;

std::size_t Diary::began(const std::string& what) {
    std::lock_guard lock(mutex_);
    entries_.push_back({Clock::now(), Clock::time_point::max(), what});
    return entries_.size() - 1;
}

void Diary::ended(std::size_t number) {
    std::lock_guard lock(mutex_);
    entries_[number].to = Clock::now();
}

bool Diary::disrupted(Clock::time_point from, Clock::time_point to) const {
    std::lock_guard lock(mutex_);
    return std::ranges::any_of(entries_,
                               [&](const auto& entry) { return entry.from <= to && entry.to >= from; });
}

std::map<std::string, int> Diary::counts() const {
    std::lock_guard lock(mutex_);
    std::map<std::string, int> counts;
    for (const auto& entry : entries_) ++counts[entry.what];
    return counts;
}

void Bill::paid(const std::string& request) {
    std::lock_guard lock(mutex_);
    calls_[request].push_back(Clock::now());
}

std::vector<Bill::Twice> Bill::twice() const {
    std::lock_guard lock(mutex_);
    std::vector<Twice> found;
    for (const auto& [request, times] : calls_)
        for (std::size_t at = 1; at < times.size(); ++at)
            found.push_back({request, times[at - 1], times[at]});
    return found;
}

std::size_t Bill::calls() const {
    std::lock_guard lock(mutex_);
    std::size_t count = 0;
    for (const auto& [request, times] : calls_) count += times.size();
    return count;
}

std::string content(const std::string& name, int version) {
    return "[[" + name + "]] says v" + std::to_string(version) + ".";
}

std::vector<std::string> facts(const std::string& name, int version) {
    const auto start = name + " v" + std::to_string(version);
    return {start + " likes tea", start + " dislikes coffee"};
}

namespace {

// The version that a prompt's content has.
int version_in(const std::string& body) {
    const auto at = body.find("]] says v");
    return at == std::string::npos ? 0 : std::atoi(body.c_str() + at + 9);
}

std::string without_seed(const std::string& body) {
    auto request = nlohmann::json::parse(body);
    if (request.contains("options")) request["options"].erase("seed");
    return request.dump();
}

std::map<std::string, std::string> host_settings(const World& world) {
    return quick(world.chat.settings() +
                 std::map<std::string, std::string>{{"vector.backend", "\"qdrant\""},
                                                    {"vector.url", "\"" + world.qdrant.url() + "\""},
                                                    {"worker.max_attempts", "5"},
                                                    {"worker.drain_timeout", "\"5s\""},
                                                    {"extraction.max_concurrent", "8"}});
}

}  // namespace

World::World(std::uint64_t chosen, int count) : seed(chosen) {
    count_effects(schema);
    chat.says([this](const std::string& memory, const HttpRequest& request) {
        bill.paid(without_seed(request.body));
        return chat.facts(facts(memory, version_in(request.body)));
    });
    for (int number = 0; number < count; ++number)
        hosts.push_back({std::make_unique<TcpProxy>("127.0.0.1", cluster.port()), nullptr});
}

void World::start(Host& host) {
    host.memoird =
        std::make_unique<Memoird>(schema, embedder,
                                  Memoird::Options{.url = cluster.tcp_url("memoir", host.proxy->port()),
                                                   .settings = host_settings(*this)});
}

pg::Result World::sql(std::string text, const pg::Params& params) const {
    const std::string mark = "$schema";
    for (auto at = text.find(mark); at != std::string::npos; at = text.find(mark))
        text.replace(at, mark.size(), '"' + schema.name() + '"');
    return schema.connect()->exec(text, params);
}

void World::forget_points(const std::vector<std::string>& pids) {
    const nlohmann::json body{{"filter", {{"must", {{{"key", "pid"}, {"match", {{"any", pids}}}}}}}}};
    eventually(
        [&] {
            try {
                qdrant.request("POST", "/collections/memoir_memories/points/delete?wait=true", body);
                return true;
            } catch (const std::exception&) {
                return false;  // it is away just now
            }
        },
        std::chrono::seconds(30));
}

}  // namespace memoir::soak
