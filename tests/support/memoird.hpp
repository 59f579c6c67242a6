#pragma once
// The real memoird as a child process, on a real PostgreSQL, with an embedding server that is a double: it
// speaks Ollama's API and answers at once with a vector that is a function of the text. Thread safety: one
// thread at a time, but the embedder's switches from any.

#include <atomic>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "support/http_double.hpp"
#include "support/postgres.hpp"
#include "support/process.hpp"

namespace memoir::test {

// What the double answers for a text: four numbers, never all zero.
std::vector<double> double_vector(const std::string& text);

class EmbeddingDouble {
  public:
    EmbeddingDouble();
    std::string url() const { return server_.url(); }
    HttpDouble& server() { return server_; }
    // Called with each request before it is answered, on a thread of the server; may block. A reply with
    // another status than 200, or a fault, is sent instead of the vectors.
    void before(std::function<HttpReply(const HttpRequest&)> hook);
    std::uint64_t texts() const { return texts_; }  // embedded so far, the probe's words included

  private:
    HttpReply answer(const HttpRequest& request);
    std::mutex mutex_;
    std::function<HttpReply(const HttpRequest&)> hook_;
    std::atomic<std::uint64_t> texts_{0};
    HttpDouble server_;
};

class Memoird {
  public:
    struct Options {
        std::string url{};                              // of the database; empty: the schema's own
        std::map<std::string, std::string> settings{};  // "worker.lease" → "\"3s\"": TOML values
        std::vector<std::string> arguments{};           // "--until-idle"
        std::map<std::string, std::string> environment{};
        bool json = true;       // log as JSON lines
        std::string program{};  // another build of memoird
    };
    // Postgres backend, the double as embedder, text log at debug, lease 60 s, poll 50 ms unless the settings
    // say otherwise. Starts at once.
    Memoird(const TestSchema& schema, const EmbeddingDouble& embedder, Options options);
    Memoird(const TestSchema& schema, const EmbeddingDouble& embedder)
        : Memoird(schema, embedder, Options{}) {}
    ~Memoird();

    // The event memoir.worker.started was logged.
    bool ready(std::chrono::milliseconds limit = std::chrono::seconds(60));
    Process& process() { return *process_; }
    const std::string& config_file() const { return file_; }
    // Writes the file anew with these settings; empty ones are taken out. HUP comes with reload() alone.
    void configure(const std::map<std::string, std::string>& changes);
    void reload(const std::map<std::string, std::string>& changes = {});
    std::string log() const;
    // Lines of the log with this event name.
    std::vector<std::string> events(const std::string& name) const;
    // TERM; the exit code, nullopt when it still runs after `limit`.
    std::optional<int> stop(std::chrono::milliseconds limit = std::chrono::seconds(60));

  private:
    std::string directory_, file_;
    std::map<std::string, std::string> settings_;
    std::unique_ptr<Process> process_;
};

}  // namespace memoir::test
