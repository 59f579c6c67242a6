#include "support/memoird.hpp"

#include <csignal>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <sstream>

#ifndef memoird_PROGRAM
#define memoird_PROGRAM BINARY_DIR "/memoird"
#endif

namespace memoir::test {

std::vector<double> double_vector(const std::string& text) {
    std::uint32_t hash = 2166136261;
    for (const char character : text) hash = (hash ^ static_cast<unsigned char>(character)) * 16777619;
    std::vector<double> vector;
    for (int axis = 0; axis < 4; ++axis) vector.push_back(1 + ((hash >> (8 * axis)) & 0xff));
    return vector;
}

EmbeddingDouble::EmbeddingDouble()
    : server_([this](const HttpRequest& request) { return answer(request); }) {}

void EmbeddingDouble::before(std::function<HttpReply(const HttpRequest&)> hook) {
    std::lock_guard lock(mutex_);
    hook_ = std::move(hook);
}

HttpReply EmbeddingDouble::answer(const HttpRequest& request) {
    std::function<HttpReply(const HttpRequest&)> hook;
    {
        std::lock_guard lock(mutex_);
        hook = hook_;
    }
    if (hook) {
        auto reply = hook(request);
        if (reply.status != 200 || reply.fault != HttpReply::Fault::none) return reply;
    }
    const auto body = nlohmann::json::parse(request.body, nullptr, false);
    auto input = body.is_object() ? body.value("input", nlohmann::json::array()) : nlohmann::json::array();
    if (input.is_string()) input = nlohmann::json::array({input});
    nlohmann::json reply{{"model", "double"}, {"embeddings", nlohmann::json::array()}};
    for (const auto& text : input) {
        reply["embeddings"].push_back(double_vector(text.get<std::string>()));
        ++texts_;
    }
    return {200, reply.dump(), {}};
}

Memoird::Memoird(const TestSchema& schema, const EmbeddingDouble& embedder, Options options) {
    const auto pattern = (std::filesystem::temp_directory_path() / "memoird-test-XXXXXX").string();
    std::vector<char> name(pattern.begin(), pattern.end());
    name.push_back('\0');
    directory_ = mkdtemp(name.data());

    settings_ = {
        {"database.url", "\"" + (options.url.empty() ? schema.options().conninfo : options.url) + "\""},
        {"database.schema", "\"" + schema.name() + "\""},
        {"worker.poll_interval", "\"50ms\""},
        {"embedding.provider", "\"ollama\""},
        {"embedding.url", "\"" + embedder.url() + "\""},
        {"embedding.model", "\"double\""},
        {"embedding.dimension", "4"},
        {"vector.backend", "\"postgres\""},
        {"log.level", "\"debug\""},
        {"log.format", options.json ? "\"json\"" : "\"text\""}};
    file_ = directory_ + "/memoird.toml";
    configure(options.settings);

    Process::Options child;
    child.arguments = {options.program.empty() ? memoird_PROGRAM : options.program, "--config", file_};
    child.arguments.insert(child.arguments.end(), options.arguments.begin(), options.arguments.end());
    child.environment = options.environment;
    process_ = std::make_unique<Process>(child);
}

void Memoird::configure(const std::map<std::string, std::string>& changes) {
    for (const auto& [key, value] : changes) settings_[key] = value;
    {
        // Dotted keys at the top need no sections.
        std::ofstream config(file_ + ".new");
        for (const auto& [key, value] : settings_)
            if (!value.empty()) config << key << " = " << value << "\n";
    }
    // As an editor does: whoever reads it meanwhile sees the one or the other.
    std::filesystem::rename(file_ + ".new", file_);
}

void Memoird::reload(const std::map<std::string, std::string>& changes) {
    configure(changes);
    process_->signal(SIGHUP);
}

Memoird::~Memoird() {
    process_.reset();
    std::error_code ignored;
    std::filesystem::remove_all(directory_, ignored);
}

bool Memoird::ready(std::chrono::milliseconds limit) {
    return process_->wrote("memoir.worker.started", limit);
}

std::string Memoird::log() const {
    return process_->errors();
}

std::vector<std::string> Memoird::events(const std::string& name) const {
    std::vector<std::string> found;
    std::istringstream lines(log());
    for (std::string line; std::getline(lines, line);)
        if (line.find("\"" + name + "\"") != std::string::npos) found.push_back(line);
    return found;
}

std::optional<int> Memoird::stop(std::chrono::milliseconds limit) {
    process_->signal(SIGTERM);
    return process_->wait(limit);
}

}  // namespace memoir::test
