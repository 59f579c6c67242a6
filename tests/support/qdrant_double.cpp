#include "support/qdrant_double.hpp"

#include <stdexcept>

#include "http/client.hpp"
#include "support/process.hpp"

namespace memoir::test {
namespace {

using nlohmann::json;

// Packages may have to be fetched; starting is a second, under sanitizers and load a few.
constexpr std::chrono::minutes venv_limit{10};
constexpr std::chrono::minutes start_limit{1};

std::string python() {
    const auto made =
        run({.arguments = {SOURCE_DIR "/scripts/test-venv"}, .environment = {}, .input = {}}, venv_limit);
    if (made.code != 0) throw std::runtime_error("scripts/test-venv failed:\n" + made.errors);
    return made.output.substr(0, made.output.find('\n'));
}

int port_in(const std::string& output, const std::string& name) {
    const auto at = output.find(name + " ");
    return std::stoi(output.substr(at + name.size() + 1));
}

}  // namespace

struct QdrantDouble::State {
    http::Client client;
    std::unique_ptr<Process> process;
    int api = 0, control = 0;

    json send(int port, const std::string& method, const std::string& path, const json& body) {
        http::Request request;
        request.method = method;
        request.url = "http://127.0.0.1:" + std::to_string(port) + path;
        if (!body.is_null()) request.body = body.dump();
        const auto response = client.send(request);
        if (response.status != 200)
            throw std::runtime_error(method + " " + path + ": " + std::to_string(response.status) + " " +
                                     response.body);
        return json::parse(response.body);
    }
    json command(const std::string& method, const std::string& path, const json& body = nullptr) {
        return send(control, method, path, body);
    }
};

QdrantDouble::QdrantDouble() : state_(std::make_unique<State>()) {
    state_->process = std::make_unique<Process>(
        Process::Options{.arguments = {python(), TEST_SUPPORT_DIR "/qdrant_double.py"},
                         .environment = {{"PYTHONDONTWRITEBYTECODE", "1"}},
                         .input = {}});
    if (!state_->process->wrote("ready\n", start_limit))
        throw std::runtime_error("the Qdrant double did not start:\n" + state_->process->errors());
    const auto output = state_->process->output();
    state_->api = port_in(output, "api");
    state_->control = port_in(output, "control");
}

QdrantDouble::~QdrantDouble() = default;

QdrantDouble& QdrantDouble::shared() {
    static QdrantDouble instance;
    instance.reset();
    return instance;
}

std::string QdrantDouble::url() const {
    return "http://127.0.0.1:" + std::to_string(state_->api);
}
int QdrantDouble::port() const {
    return state_->api;
}
void QdrantDouble::stop() {
    state_->command("POST", "/stop");
}
void QdrantDouble::start() {
    state_->command("POST", "/start");
}
void QdrantDouble::reset() {
    state_->command("POST", "/reset");
}
void QdrantDouble::heal() {
    state_->command("DELETE", "/fault");
}
void QdrantDouble::settings(const json& values) {
    state_->command("POST", "/settings", values);
}

void QdrantDouble::fault(const Fault& fault) {
    state_->command("POST", "/fault",
                    {{"kind", fault.kind},
                     {"path", fault.path},
                     {"body", fault.body},
                     {"times", fault.times},
                     {"status", fault.status},
                     {"headers", fault.headers},
                     {"reply", fault.reply},
                     {"seconds", fault.seconds}});
}

std::vector<QdrantDouble::Request> QdrantDouble::requests() const {
    std::vector<Request> result;
    for (const auto& request : state_->command("GET", "/requests"))
        result.push_back({request["method"], request["path"], request["size"]});
    return result;
}

std::size_t QdrantDouble::requests(const std::string& part) const {
    std::size_t count = 0;
    for (const auto& request : requests())
        if ((request.method + " " + request.path).find(part) != std::string::npos) ++count;
    return count;
}

json QdrantDouble::points(const std::string& collection) const {
    return state_->command("GET", "/points?" + collection);
}

json QdrantDouble::payload(const std::string& pid, const std::string& collection) const {
    json found;
    int count = 0;
    for (const auto& point : points(collection))
        if (point["payload"].value("pid", "") == pid) {
            found = point["payload"];
            ++count;
        }
    return count == 1 ? found : json();
}

json QdrantDouble::request(const std::string& method, const std::string& path, const json& body) const {
    return state_->send(state_->api, method, path, body)["result"];
}

}  // namespace memoir::test
