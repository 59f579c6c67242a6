#include <algorithm>
#include <initializer_list>

#include "config/addresses.hpp"
#include "config/draft.hpp"
#include "config/duration.hpp"
#include "config/files.hpp"
#include "http/url.hpp"

namespace memoir::config {
namespace {

using std::chrono::milliseconds;

class Rules {
  public:
    Rules(const Draft& draft, const Sources& sources, Findings& findings)
        : draft_(draft), config_(draft.config), sources_(sources), findings_(findings) {}

    void check() {
        database();
        worker();
        lanes();
        embedding();
        vector();
        chat("extraction", config_.extraction);
        chat("relational", config_.relational);
        classifier();
        graph();
        metrics();
    }

  private:
    using Paths = std::initializer_list<const char*>;

    // A rule about a value that is broken anyway would only repeat that.
    bool sound(Paths paths) const {
        return std::none_of(paths.begin(), paths.end(),
                            [&](const char* path) { return draft_.broken.contains(path); });
    }
    // Where the operator has to look: the first of these keys that somebody set.
    Origin blame(Paths paths) const {
        for (const char* path : paths) {
            Origin origin = draft_.origin(path);
            if (origin.level != Origin::Level::fallback) return origin;
        }
        return {};
    }
    void problem(Paths paths, std::string text, std::string hint) {
        if (sound(paths)) findings_.problem(blame(paths), {std::move(text), std::move(hint)});
    }
    void warning(Paths paths, std::string text, std::string hint) {
        if (sound(paths)) findings_.warning(blame(paths), {std::move(text), std::move(hint)});
    }

    void database() {
        const std::string& schema = config_.database.schema;
        const auto letter = [](char c) { return (c >= 'a' && c <= 'z') || c == '_'; };
        const bool pattern = !schema.empty() && letter(schema.front()) &&
                             std::all_of(schema.begin(), schema.end(),
                                         [&](char c) { return letter(c) || (c >= '0' && c <= '9'); });
        if (!pattern || schema.size() > 63) {  // PostgreSQL cuts longer names
            problem({"database.schema"}, "database.schema is not a valid schema name",
                    "up to 63 of a-z, 0-9 and _, not beginning with a digit");
        } else if (schema.starts_with("pg_")) {
            problem({"database.schema"}, "database.schema begins with pg_, which PostgreSQL reserves",
                    "choose another name");
        } else if (schema.size() > 55 && config_.worker.listen) {  // memoird_SCHEMA has 63 bytes at most
            warning({"database.schema"}, "database.schema is too long for a notification channel",
                    "up to 55 characters; memoird will poll");
        }
        if (config_.database.statement_timeout * 2 > config_.worker.lease) {
            problem({"database.statement_timeout", "worker.lease"},
                    "database.statement_timeout is more than half of worker.lease",
                    "a claim must survive one slow statement: with lease " +
                        format_duration(config_.worker.lease) + " it is at most " +
                        format_duration(config_.worker.lease / 2));
        }
    }

    void worker() {
        const work::Options& worker = config_.worker;
        const auto odd = [](char c) {
            const auto byte = static_cast<unsigned char>(c);
            return c == '/' || c == ':' || byte <= 0x20 || byte == 0x7F;
        };
        if (worker.host.size() > 128 || std::any_of(worker.host.begin(), worker.host.end(), odd)) {
            problem({"worker.host"}, "worker.host is not a valid host name for claimed_by",
                    "up to 128 characters, without `/`, `:` and spaces");
        }
        if (worker.poll_interval >= worker.lease) {
            problem({"worker.poll_interval", "worker.lease"},
                    "worker.poll_interval is not shorter than worker.lease",
                    "make it shorter than " + format_duration(worker.lease));
        }
        if (worker.retry_base > worker.retry_cap) {
            problem(
                {"worker.retry_base", "worker.retry_cap"},
                "worker.retry_base is longer than worker.retry_cap",
                "the cap is the longest wait: raise it to at least " + format_duration(worker.retry_base));
        }
        if (worker.foreign_lease < milliseconds(60'000)) {
            warning({"worker.foreign_lease"},
                    "worker.foreign_lease is shorter than the library's own lease of 60s",
                    "jobs of other workers may be done twice; make it longer than their longest job");
        }
        if (worker.drain_timeout > worker.job_timeout) {
            warning({"worker.drain_timeout", "worker.job_timeout"},
                    "worker.drain_timeout is longer than worker.job_timeout",
                    "no step of a job runs that long: set it to at most job_timeout");
        }
    }

    Origin lane_origin(const std::string& name) const {
        Origin kinds = draft_.origin("lanes." + name + ".kinds");
        if (kinds.level != Origin::Level::fallback) return kinds;
        const auto found = draft_.named.find("lanes." + name);
        return found == draft_.named.end() ? Origin{} : found->second;
    }

    void lanes() {
        std::map<std::string, std::string> lane_of;
        for (const work::LaneOptions& lane : config_.worker.lanes) {
            const std::string path = "lanes." + lane.name;
            if (draft_.broken.contains(path + ".kinds")) continue;
            if (lane.kinds.empty()) {
                findings_.problem(lane_origin(lane.name),
                                  {path + " has no kinds",
                                   "write " + path +
                                       ".kinds = [\"embed\"]; configuring any lane replaces all three "
                                       "default lanes, so each one must be written out"});
            }
            for (const std::string& kind : lane.kinds) {
                const auto [other, first] = lane_of.emplace(kind, lane.name);
                if (first) continue;
                findings_.problem(
                    lane_origin(lane.name),
                    {"the kind " + kind + " is in two lanes, " + other->second + " and " + lane.name,
                     "a kind can be in one lane only: remove it from the other"});
            }
        }
    }

    void key_needs_tls(const std::string& section, const Secret& key, const std::string& url) {
        const std::string base = section + ".api_key", url_path = section + ".url";
        const auto parsed = http::parse_url(url);  // nullopt: reported where it stands
        if (key.empty() || !parsed || parsed->scheme != "http" || http::is_loopback(*parsed)) return;
        problem({url_path.c_str(), base.c_str()},
                section + " would send its API key over http:// beyond loopback",
                "use https:// in " + url_path + ", or remove the key");
    }

    // A file that is only read later, when its absence would look like a failure of the model server.
    void readable(const std::string& base, const std::string& path) {
        if (path.empty() || draft_.broken.contains(base)) return;
        std::string content;
        const FileError error = read_file(path, 16 << 20, content);
        if (error.kind == FileError::none) return;
        Complaint complaint{base + " names a file that cannot be read: " + error.text,
                            "let memoird's user read it, or leave the key out for its default"};
        if (sources_.lenient_secrets) {
            findings_.warning(draft_.origin(base), std::move(complaint));
        } else {
            findings_.problem(draft_.origin(base), std::move(complaint));
        }
    }

    void embedding() {
        const model::EmbeddingOptions& embedding = config_.embedding;
        const bool onnx = embedding.provider == "onnx";
        if (!onnx && embedding.url.empty()) {
            problem({"embedding.provider", "embedding.url"},
                    "embedding.provider is a server, but embedding.url is not set",
                    embedding.provider == "ollama" ? "write embedding.url = \"http://localhost:11434\""
                                                   : "write embedding.url = \"http://HOST:PORT\"");
        }
        if (onnx && !embedding.url.empty()) {
            warning({"embedding.url"}, "embedding.url has no effect with the provider onnx",
                    "set embedding.provider to ollama, openai or tei, or remove the url");
        }
        if (onnx && embedding.model_dir.empty()) {
            problem({"embedding.model_dir"}, "embedding.model_dir is empty, but the provider onnx needs it",
                    "the package memoird-local-models installs a model in " +
                        model::EmbeddingOptions().model_dir);
        }
        key_needs_tls("embedding", embedding.api_key, embedding.url);
        readable("embedding.ca_file", embedding.ca_file);
    }

    void vector() {
        const std::string& collection = config_.vector.collection;
        const bool odd = collection.find_first_of("/\\<>:\"|?*") != collection.npos;  // Qdrant's own list
        if (odd || collection.size() > 255) {
            problem({"vector.collection"}, "vector.collection is not a name that Qdrant accepts",
                    "up to 255 characters, none of / \\ < > : \" | ? *");
        }
        key_needs_tls("vector", config_.vector.api_key, config_.vector.url);
        readable("vector.ca_file", config_.vector.ca_file);
    }

    void chat(const std::string& section, const std::optional<model::ChatOptions>& options) {
        if (!options) return;
        const std::string num_ctx = section + ".num_ctx", provider = section + ".provider",
                          max_output = section + ".max_output_tokens", timeout = section + ".timeout",
                          key = section + ".api_key";
        key_needs_tls(section, options->api_key, options->url);
        readable(section + ".prompt_file", options->prompt_file);
        readable(section + ".ca_file", options->ca_file);
        if (options->num_ctx > 0 && options->num_ctx <= options->max_output_tokens) {
            problem({num_ctx.c_str(), max_output.c_str()}, num_ctx + " is too small for the reply alone",
                    "the prompt and the reply share it: make it well above " + max_output + " (" +
                        std::to_string(options->max_output_tokens) + ")");
        }
        if (options->num_ctx > 0 && options->provider != "ollama") {
            warning({num_ctx.c_str()}, num_ctx + " has no effect with the provider " + options->provider,
                    "only ollama takes a context size");
        }
        if (options->timeout >= config_.worker.job_timeout) {
            warning({timeout.c_str(), "worker.job_timeout"},
                    timeout + " is not shorter than worker.job_timeout",
                    "a server that hangs would cost the job an attempt: raise worker.job_timeout");
        }
        const bool official = options->url.starts_with("https://api.openai.com") ||
                              options->url.starts_with("https://api.anthropic.com");
        if (official && options->api_key.empty() && !draft_.secrets.contains(key)) {
            warning({provider.c_str()}, section + " has no API key, which " + options->provider + " requires",
                    "set " + key + "_file or " + key + "_credential");
        }
    }

    void classifier() {
        if (!config_.classifier) return;
        if (config_.classifier->provider == "onnx" && config_.classifier->model_dir.empty()) {
            problem({"classifier.model_dir"}, "classifier.model_dir is empty, but the provider onnx needs it",
                    "name the folder with model.onnx and spm.model, or set classifier.provider to embedding");
        }
        if (config_.classifier->provider == "onnx" && !config_.classifier->labels.empty()) {
            const std::string path = "classifier.labels." + config_.classifier->labels.begin()->first;
            warning({path.c_str()}, "classifier.labels have no effect with the provider onnx",
                    "set classifier.provider to embedding, or remove them");
        }
    }

    void graph() {
        if (!config_.graph) return;
        if (!config_.graph->user.empty() && config_.graph->password.empty() &&
            !draft_.secrets.contains("graph.password")) {
            problem({"graph.user"}, "graph.user is set, but graph.password is not",
                    "add graph.password_file or graph.password_credential");
        }
        const std::string& url = config_.graph->url;
        if (!config_.graph->password.empty() && url.starts_with("redis:") &&
            !http::is_loopback("http" + url.substr(5))) {
            warning({"graph.url", "graph.password"},
                    "graph.url sends the password unencrypted over the network",
                    "use a tunnel to the server, or rediss:// if it supports TLS");
        }
        readable("graph.ca_file", config_.graph->ca_file);
        if (!config_.graph->ca_file.empty() && !url.starts_with("rediss:")) {
            warning({"graph.ca_file", "graph.url"}, "graph.ca_file has no effect: graph.url asks for no TLS",
                    "write rediss:// in graph.url, or remove the file");
        }
    }

    void metrics() {
        if (auto complaint = check_listen(config_.metrics.listen, config_.metrics.allow_remote)) {
            problem({"metrics.listen"}, std::move(complaint->text), std::move(complaint->hint));
        }
    }

    const Draft& draft_;
    const Config& config_;
    const Sources& sources_;
    Findings& findings_;
};

}  // namespace

void check_rules(const Draft& draft, const Sources& sources, Findings& findings) {
    Rules(draft, sources, findings).check();
}

}  // namespace memoir::config
