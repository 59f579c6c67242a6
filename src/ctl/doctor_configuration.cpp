// The configuration, and what of this host it leans on.

#include <sys/resource.h>
#include <unistd.h>

#include <array>
#include <cstdlib>

#include "config/duration.hpp"
#include "ctl/doctor.hpp"
#include "ctl/table.hpp"
#include "ctl/unit_file.hpp"
#include "http/url.hpp"
#include "model/chat.hpp"
#include "model/run_pool.hpp"

namespace memoir::ctl {
namespace {

using Grade = Finding::Grade;

// URLs of backends that are spoken to over HTTP, by the section that names them.
std::vector<std::pair<std::string, std::string>> http_backends(const config::Config& config) {
    std::vector<std::pair<std::string, std::string>> urls;
    if (config.embedding.provider != "onnx") urls.emplace_back("embedding", config.embedding.url);
    if (config.vector.backend == "qdrant") urls.emplace_back("vector", config.vector.url);
    if (config.extraction) urls.emplace_back("extraction", model::chat_url(*config.extraction));
    if (config.relational) urls.emplace_back("relational", model::chat_url(*config.relational));
    return urls;
}

std::string variable(std::initializer_list<const char*> names) {
    for (const char* name : names)
        if (const char* value = std::getenv(name); value && *value) return name;
    return "";
}

// As curl reads no_proxy: host names and their domains, "*" for all.
bool exempt(const std::string& host) {
    const auto name = variable({"no_proxy", "NO_PROXY"});
    if (name.empty()) return false;
    std::string list = std::getenv(name.c_str());
    for (char& c : list)
        if (c == ',') c = ' ';
    for (std::size_t at = 0; at < list.size();) {
        const auto end = std::min(list.find(' ', at), list.size());
        std::string entry = list.substr(at, end - at);
        at = end + 1;
        if (entry.starts_with('.')) entry.erase(0, 1);
        if (entry.empty()) continue;
        if (entry == "*" || entry == host || host.ends_with("." + entry)) return true;
    }
    return false;
}

Finding proxies(const config::Config& config) {
    return examined("proxies", [&](Finding& finding) {
        finding.detail = "none in use";
        for (const auto& [section, url] : http_backends(config)) {
            const auto parsed = http::parse_url(url);
            if (!parsed || http::is_loopback(*parsed) || exempt(parsed->host)) continue;
            // curl takes no HTTP_PROXY: a web server's clients could set it.
            const auto name = parsed->scheme == "https"
                                  ? variable({"https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"})
                                  : variable({"http_proxy", "all_proxy", "ALL_PROXY"});
            if (name.empty()) continue;
            doubt(finding, "calls to [" + section + "] go through the proxy named by " + name,
                  "if this is not intended, add " + parsed->host +
                      " to no_proxy; the service has its own environment: systemctl show -p Environment "
                      "memoird");
        }
    });
}

Finding host_name(const config::Config& config) {
    return examined("host name", [&](Finding& finding) {
        std::array<char, 256> buffer{};
        if (config.worker.host.empty()) gethostname(buffer.data(), buffer.size() - 1);
        finding.detail = config.worker.host.empty() ? buffer.data() : config.worker.host;
        if (finding.detail.empty() || finding.detail.starts_with("localhost"))
            doubt(finding,
                  "\"" + finding.detail + "\" does not distinguish this host from others in the fleet",
                  "set worker.host, or the machine's host name");
    });
}

Finding embedding_threads(const config::Config& config) {
    return examined("embedding threads", [&](Finding& finding) {
        const int usable = model::usable_cpus();
        finding.detail = std::to_string(config.embedding.threads > 0 ? config.embedding.threads : usable) +
                         " on " + std::to_string(usable) + " usable processors";
        if (config.embedding.provider == "onnx" && config.embedding.threads > usable)
            doubt(finding, finding.detail,
                  "lower embedding.threads, or set it to 0: further threads only wait for each other");
    });
}

// Sockets and files that a busy process has open at the same time.
std::int64_t descriptors_needed(const config::Config& config) {
    constexpr std::int64_t few = 64;  // libraries, journal, epoll, models, the metrics' clients
    std::int64_t loops = 0;
    for (const auto& lane : config.worker.lanes) loops += lane.loops;
    return few + config.database.pool + 2 * loops;
}

void look_at_unit(const UnitFile& unit, const config::Config& config, Findings& findings) {
    findings.push_back(examined("systemd unit: enabled", [&](Finding& finding) {
        finding.detail = "starts at boot";
        if (!unit.enabled()) doubt(finding, "does not start at boot", "systemctl enable memoird");
    }));
    findings.push_back(examined("systemd unit: stop time", [&](Finding& finding) {
        const auto limit = unit.duration("TimeoutStopSec", std::chrono::seconds(90));
        const auto drain = config.worker.drain_timeout;
        finding.detail = "longer than worker.drain_timeout";
        if (limit && limit->count() > 0 && *limit <= drain)
            doubt(finding,
                  "TimeoutStopSec is " + config::format_duration(*limit) + ", worker.drain_timeout is " +
                      config::format_duration(drain) + ": systemd kills memoird while it is draining",
                  "systemctl edit memoird: set TimeoutStopSec= well above worker.drain_timeout");
    }));
    findings.push_back(examined("systemd unit: watchdog", [&](Finding& finding) {
        const auto period = unit.duration("WatchdogSec", Milliseconds(0));
        finding.detail = "restarts a process that hangs";
        if (!period || period->count() == 0)
            doubt(finding, "WatchdogSec is not set: a process that hangs is not restarted",
                  "systemctl edit memoird: set WatchdogSec=30s");
    }));
}

Finding descriptors(const std::optional<UnitFile>& unit, const config::Config& config) {
    return examined("file descriptors", [&](Finding& finding) {
        const auto of_unit = unit ? unit->number("LimitNOFILE") : std::nullopt;
        rlimit own{};
        getrlimit(RLIMIT_NOFILE, &own);
        const auto limit = of_unit.value_or(static_cast<std::int64_t>(own.rlim_cur));
        const auto needed = descriptors_needed(config);
        finding.detail = "limit " + std::to_string(limit) + ", about " + std::to_string(needed) + " needed";
        if (limit < needed)
            doubt(finding, finding.detail,
                  of_unit ? "systemctl edit memoird: raise LimitNOFILE="
                          : "raise the limit (ulimit -n), or lower lanes.*.loops and database.pool");
    });
}

}  // namespace

void look_at_configuration(Context& context, Findings& findings) {
    for (const auto& problem : context.loaded().problems)
        findings.push_back(
            {"configuration", Grade::wrong, problem.where + ": " + problem.text, problem.hint});
    if (findings.empty()) findings.push_back({"configuration", Grade::good, "valid", ""});
    for (const auto& warning : context.loaded().warnings)
        findings.push_back(
            {"configuration: warning", Grade::doubtful, warning.where + ": " + warning.text, warning.hint});
}

void look_at_machine(Context& context, Findings& findings) {
    const auto& config = context.config();
    findings.push_back(host_name(config));
    findings.push_back(proxies(config));
    findings.push_back(embedding_threads(config));
    const auto unit = UnitFile::find("memoird.service");
    findings.push_back(examined("systemd unit", [&](Finding& finding) {
        if (unit)
            finding.detail = unit->path();
        else
            doubt(finding, "memoird.service is not installed",
                  "install the package, or run cmake --install with the component memoird");
    }));
    if (unit) look_at_unit(*unit, config, findings);
    findings.push_back(descriptors(unit, config));
}

}  // namespace memoir::ctl
