// The Grafana dashboard and the alert rules against a real Prometheus that scrapes a memoird at work: each
// query is answered, and with what its legend names.

#include <catch2/catch.hpp>
#include <filesystem>

#include "system/metrics_scene.hpp"

using namespace memoir;
using namespace memoir::test;
using nlohmann::json;

namespace {

bool installed() {
    return run({.arguments = {"sh", "-c", "command -v prometheus"}, .environment = {}, .input = {}}).code ==
           0;
}

std::string escaped(const std::string& text) {
    static constexpr char digits[] = "0123456789ABCDEF";
    std::string out;
    for (const char c : text) {
        if ((c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z')) {
            out += c;
            continue;
        }
        const auto byte = static_cast<unsigned char>(c);
        out += '%';
        out += digits[byte >> 4];
        out += digits[byte & 15];
    }
    return out;
}

class Prometheus {
  public:
    explicit Prometheus(int scraped) : directory_(temporary_directory("prometheus")), port_(free_port()) {
        std::ofstream(directory_ + "/prometheus.yml")
            << "global: {scrape_interval: 500ms, scrape_timeout: 400ms, evaluation_interval: 500ms}\n"
            << "rule_files: ['" << SOURCE_DIR << "/packaging/prometheus/memoird.rules.yml']\n"
            << "scrape_configs: [{job_name: memoird, static_configs: [{targets: ['127.0.0.1:" << scraped
            << "']}]}]\n";
        process_ = std::make_unique<Process>(
            Process::Options{.arguments = {"prometheus", "--config.file=" + directory_ + "/prometheus.yml",
                                           "--storage.tsdb.path=" + directory_ + "/data",
                                           "--web.listen-address=127.0.0.1:" + std::to_string(port_)},
                             .environment = {},
                             .input = {}});
    }
    ~Prometheus() {
        process_.reset();
        std::filesystem::remove_all(directory_);
    }
    json ask(const std::string& path) const {
        try {
            return json::parse(get("http://127.0.0.1:" + std::to_string(port_) + path), nullptr, false);
        } catch (const http::TransportFailure&) {
            return {};  // it does not listen yet
        }
    }
    json query(const std::string& expression) const {
        return ask("/api/v1/query?query=" + escaped(expression));
    }
    // The number of series, or -1 when the query is none.
    std::int64_t series(const std::string& expression) const {
        const auto answer = query(expression);
        if (!answer.is_object() || answer.value("status", "") != "success") return -1;
        return static_cast<std::int64_t>(answer["data"]["result"].size());
    }
    std::string log() const { return process_->errors(); }

  private:
    const std::string directory_;
    const int port_;
    std::unique_ptr<Process> process_;
};

void replace_all(std::string& text, const std::string& from, const std::string& to) {
    for (auto at = text.find(from); at != std::string::npos; at = text.find(from, at + to.size()))
        text.replace(at, from.size(), to);
}

// "{{kind}} {{state}}" → kind, state
std::set<std::string> legend_labels(const std::string& legend) {
    std::set<std::string> labels;
    for (auto at = legend.find("{{"); at != std::string::npos; at = legend.find("{{", at + 2))
        labels.insert(legend.substr(at + 2, legend.find("}}", at) - at - 2));
    return labels;
}

json dashboard() {
    return json::parse(read_file(SOURCE_DIR "/packaging/grafana/memoird.json"));
}

}  // namespace

TEST_CASE("the dashboard can be imported, and each panel says what it shows and in what unit") {
    const auto board = dashboard();
    CHECK(board["uid"] == "memoird");
    CHECK(board["id"].is_null());
    CHECK(board["templating"]["list"][0]["type"] == "datasource");
    std::set<std::int64_t> ids;
    std::set<std::pair<int, int>> cells;
    int shown = 0;
    for (const auto& panel : board["panels"]) {
        INFO(panel["title"]);
        CHECK(ids.insert(panel["id"].get<std::int64_t>()).second);
        const auto& at = panel["gridPos"];
        for (int x = at["x"]; x < at["x"].get<int>() + at["w"].get<int>(); ++x)
            for (int y = at["y"]; y < at["y"].get<int>() + at["h"].get<int>(); ++y) {
                CHECK(x < 24);
                CHECK(cells.emplace(x, y).second);  // no panel lies on another one
            }
        if (panel["type"] == "row") continue;
        ++shown;
        CHECK(panel["description"].get<std::string>().size() > 10);
        CHECK_FALSE(panel["fieldConfig"]["defaults"]["unit"].get<std::string>().empty());
        CHECK(panel["datasource"]["uid"] == "${datasource}");
        CHECK_FALSE(panel["targets"].empty());
        for (const auto& target : panel["targets"]) CHECK(target["datasource"]["uid"] == "${datasource}");
    }
    CHECK(shown >= 20);
}

TEST_CASE("a real Prometheus answers each query of the dashboard and of the alerts from a real scrape") {
    if (!installed()) {
        WARN("skipped: prometheus is not installed (apt-get install prometheus)");
        return;
    }
    MetricsScene scene;
    REQUIRE(scene.memoird().ready());
    // Before the work, so that its rates are seen.
    Prometheus prometheus(scene.port());
    REQUIRE(eventually([&] { return prometheus.series("memoird_build_info") == 1; }));
    REQUIRE(scene.work());
    REQUIRE(eventually([&] {
        return prometheus.series("memoird_queue_jobs{state=\"failed\"} == 2") == 1 &&
               prometheus.series("count_over_time(memoird_build_info[1m]) > 5") == 1;
    }));
    const auto board = dashboard();
    for (const auto& panel : board["panels"]) {
        if (panel["type"] == "row") continue;
        for (const auto& target : panel["targets"]) {
            auto expression = target["expr"].get<std::string>();
            INFO(panel["title"] << ": " << expression);
            replace_all(expression, "$__rate_interval", "1m");
            for (const char* variable : {"$instance", "$kind"}) replace_all(expression, variable, ".*");
            CHECK(expression.find('$') == std::string::npos);
            const auto answer = prometheus.query(expression);
            CHECK(answer.value("status", "") == "success");
            if (answer.value("status", "") != "success") continue;
            const auto& result = answer["data"]["result"];
            CHECK_FALSE(result.empty());
            for (const auto& series : result)
                for (const auto& label : legend_labels(target["legendFormat"]))
                    CHECK(series["metric"].contains(label));
        }
    }
    for (const auto& variable : board["templating"]["list"]) {
        if (variable["type"] != "query") continue;
        // label_values(METRIC, LABEL)
        const auto query = variable["query"]["query"].get<std::string>();
        const auto begin = query.find('(') + 1, comma = query.find(", ");
        const auto label = query.substr(comma + 2, query.size() - comma - 3);
        std::string labelled = "count by (";
        labelled.append(label).append(") (").append(query.substr(begin, comma - begin)).append("{");
        labelled.append(label).append("!=\"\"})");
        CHECK(prometheus.series(labelled) > 0);
    }
    // What was done is there, and not only a series of zeros.
    CHECK(prometheus.series("sum(rate(memoird_settles_total{outcome=\"completed\"}[1m])) > 0") == 1);
    CHECK(prometheus.series("histogram_quantile(0.95, sum by (kind, le) "
                            "(rate(memoird_job_run_seconds_bucket{kind=\"embed\"}[1m]))) > 0") == 1);
    // Prometheus evaluates every alert without an error.
    CHECK(eventually([&] {
        const auto rules = prometheus.ask("/api/v1/rules");
        if (!rules.is_object() || rules.value("status", "") != "success" || rules["data"]["groups"].empty())
            return false;
        for (const auto& rule : rules["data"]["groups"][0]["rules"])
            if (rule["health"] != "ok") return false;
        return rules["data"]["groups"][0]["rules"].size() >= 6;
    }));
    CHECK(scene.memoird().stop() == 0);
}
