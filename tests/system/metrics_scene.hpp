#pragma once
// A memoird that has done some of everything that its metrics count: jobs that were done, retried and failed,
// a model that was called, a kind that is left to others. And its exposition, read.

#include <fstream>
#include <nlohmann/json.hpp>
#include <set>
#include <sstream>

#include "http/client.hpp"
#include "support/guarded.hpp"
#include "support/wait.hpp"
#include "system/queue_fixture.hpp"

namespace memoir::test {

inline std::string get(const std::string& url) {
    http::Client client;
    http::Request request;
    request.method = "GET";
    request.url = url;
    return client.send(request).body;
}

// One line of an exposition.
struct Sample {
    std::string name;
    std::map<std::string, std::string> labels;
    double value = 0;
};

// Label values of ours hold neither quotes nor commas.
inline std::vector<Sample> samples(const std::string& exposition) {
    std::vector<Sample> list;
    std::istringstream lines(exposition);
    for (std::string line; std::getline(lines, line);) {
        if (line.empty() || line[0] == '#') continue;
        Sample sample;
        const auto space = line.rfind(' '), brace = line.find('{');
        sample.name = line.substr(0, std::min(space, brace));
        sample.value = std::stod(line.substr(space + 1));
        for (auto at = brace; at < space && line[at] != '}';) {
            const auto equals = line.find("=\"", at), end = line.find('"', equals + 2);
            sample.labels[line.substr(at + 1, equals - at - 1)] = line.substr(equals + 2, end - equals - 2);
            at = end + 1;
        }
        list.push_back(std::move(sample));
    }
    return list;
}

// Whether promtool is there, and what it says: nothing is good.
inline std::optional<std::string> promtool(const std::string& exposition) {
    if (run({.arguments = {"sh", "-c", "command -v promtool"}, .environment = {}, .input = {}}).code != 0)
        return std::nullopt;
    const auto told =
        run({.arguments = {"promtool", "check", "metrics"}, .environment = {}, .input = exposition});
    return told.output + told.errors + (told.code == 0 ? "" : "exit code " + std::to_string(told.code));
}

class MetricsScene {
  public:
    explicit MetricsScene(std::map<std::string, std::string> more = {}) {
        embedder_.before([](const HttpRequest& request) {
            const auto has = [&](const char* text) { return request.body.find(text) != std::string::npos; };
            if (has("bad text")) return HttpReply{.status = 400, .body = "{\"error\": \"no\"}"};
            if (has("poison")) return HttpReply{.status = 500, .body = "{\"error\": \"no\"}"};
            return HttpReply{};
        });
        const std::map<std::string, std::string> settings = {
            {"metrics.listen", "\"127.0.0.1:" + std::to_string(port_) + "\""},
            {"worker.max_attempts", "2"},
            {"worker.retry_base", "\"100ms\""},
            {"extraction.url", "\"" + model_.url() + "\""}};
        memoird_ =
            std::make_unique<Memoird>(schema_, embedder_, Memoird::Options{.settings = settings + more});
    }

    // Until all of it is done: three memories with a fact each, one that the server refuses, and one that
    // fails twice.
    bool work() {
        if (!memoird_->ready()) return false;
        fill(schema_, 3);
        schema_.sql(
            "insert into $schema.memory_jobs (source_pid, kind) select pid, 'extract' from $schema.memories");
        for (const char* text : {"bad text", "poison"}) schema_.job(schema_.memory(text), "embed");
        schema_.job(schema_.memory("left"), "categorize");
        return eventually([&] {
            return schema_.number(
                       "select count(*) from $schema.memory_jobs where kind <> 'categorize' and state "
                       "<> 'failed'") == 0 &&
                   schema_.number("select count(*) from $schema.memory_jobs where state = 'failed'") == 2;
        });
    }
    std::string scrape() const { return get(url() + "/metrics"); }
    // The sum of the series with these labels, whatever others they have; -1: there is none.
    double value(const std::string& name, const std::map<std::string, std::string>& labels = {}) const {
        double sum = 0;
        bool found = false;
        for (const auto& sample : samples(scrape()))
            if (sample.name == name && std::ranges::all_of(labels, [&](const auto& label) {
                    const auto at = sample.labels.find(label.first);
                    return at != sample.labels.end() && at->second == label.second;
                })) {
                sum += sample.value;
                found = true;
            }
        return found ? sum : -1;
    }

    TestSchema& schema() { return schema_; }
    Memoird& memoird() { return *memoird_; }
    std::string url() const { return "http://127.0.0.1:" + std::to_string(port_); }
    int port() const { return port_; }

  private:
    static HttpReply fact() {
        const nlohmann::json list{{"facts", {{{"content", "A fact."}, {"confidence", 1}}}}};
        return {200, nlohmann::json{{"message", {{"content", list.dump()}}},
                                    {"done", true},
                                    {"done_reason", "stop"},
                                    {"prompt_eval_count", 100},
                                    {"eval_count", 10}}
                         .dump()};
    }

    TestSchema schema_;
    HttpDouble model_{[](const HttpRequest&) { return fact(); }};
    EmbeddingDouble embedder_;
    const int port_ = free_port();
    std::unique_ptr<Memoird> memoird_;
};

}  // namespace memoir::test
