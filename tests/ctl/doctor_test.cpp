// Each check of memoirctl doctor, broken on purpose: the real program, PostgreSQL and FalkorDB.
#include <catch2/catch.hpp>
#include <filesystem>
#include <nlohmann/json.hpp>

#include "support/falkordb.hpp"
#include "support/memoird.hpp"
#include "support/process.hpp"

using namespace memoir;
using namespace memoir::test;
using nlohmann::json;

namespace {

// A configuration in which everything is well, and what a test makes of it.
struct Doctor {
    TestSchema schema{TestSchema::With::all};
    EmbeddingDouble embedder;
    std::string url = Cluster::shared().url();
    std::vector<std::string> settings{"vector.backend=postgres", "embedding.provider=ollama",
                                      "embedding.model=double", "embedding.dimension=4",
                                      "embedding.url=" + embedder.url()};

    test::Finished run(bool as_json) {
        std::vector<std::string> all{
            memoirctl_PROGRAM, "--set", "database.url=" + url, "--set", "database.schema=" + schema.name(),
            "doctor"};
        if (as_json) all.emplace_back("--json");
        for (const auto& setting : settings) all.insert(all.end(), {"--set", setting});
        return test::run({all, {}, {}});
    }
    // The finding of one check, and the exit code.
    struct Seen {
        json finding;
        int code = 0;
        std::string verdict() const { return finding.value("verdict", "absent"); }
        std::string hint() const { return finding.value("hint", ""); }
        std::string detail() const { return finding.value("detail", ""); }
    };
    Seen look(const std::string& check) {
        const auto finished = run(true);
        INFO(finished.errors);
        Seen seen{json::object(), finished.code};
        const auto answer = json::parse(finished.output);
        for (const auto& finding : answer["checks"])
            if (finding["check"] == check) seen.finding = finding;
        return seen;
    }
    void set(const std::string& setting) { settings.push_back(setting); }
};

}  // namespace

TEST_CASE("where all is well every check says so, and the exit code is 0") {
    Doctor doctor;
    const auto finished = doctor.run(true);
    INFO(finished.output << finished.errors);
    CHECK(finished.code == 0);
    const auto checks = json::parse(finished.output)["checks"];
    CHECK(checks.size() >= 18);
    for (const auto& finding : checks) {
        CAPTURE(finding.dump());
        if (finding["check"] != "systemd unit") CHECK(finding["verdict"] == "ok");
    }
    const auto text = doctor.run(false).output;
    CHECK(text.find("ok           database: PostgreSQL") != std::string::npos);
}

TEST_CASE("a database that does not answer is unavailable, and what needs it is left out") {
    Doctor doctor;
    doctor.url = "host=127.0.0.1 port=1 dbname=memoir";
    const auto seen = doctor.look("database");
    CHECK(seen.verdict() == "unavailable");
    CHECK(seen.hint().find("database.url") != std::string::npos);
    CHECK(seen.code == 69);
    CHECK(doctor.look("schema and grants").verdict() == "absent");
}

TEST_CASE("a schema that lacks a column, or is not there, is wrong and named") {
    Doctor doctor;
    doctor.schema.sql("alter table $schema.memory_jobs drop column attempts");
    const auto seen = doctor.look("schema and grants");
    CHECK(seen.verdict() == "wrong");
    CHECK(seen.detail().find("attempts") != std::string::npos);
    CHECK(seen.code == 78);
}

TEST_CASE("what schema apply would add is a warning each, with that command") {
    const auto [check, statement] = GENERATE(table<std::string, std::string>({
        {"schema: index (kind, created_at, id)", "drop index $schema.memoird_jobs_pending_idx"},
        {"schema: table memoird_replies", "drop table $schema.memoird_replies"},
        {"schema: table memoird_pauses", "drop table $schema.memoird_pauses"},
        {"schema: table memoird_hosts", "drop table $schema.memoird_hosts"},
        {"schema: trigger memoird_notify", "drop trigger memoird_notify on $schema.memory_jobs"},
    }));
    CAPTURE(check);
    Doctor doctor;
    doctor.schema.sql(statement);
    const auto seen = doctor.look(check);
    CHECK(seen.verdict() == "warning");
    CHECK(seen.hint().find("schema apply") != std::string::npos);
    CHECK(seen.code == 0);
}

TEST_CASE("the table of vectors is needed where it is the backend") {
    Doctor doctor;
    doctor.schema.sql("drop table $schema.memoird_vectors");
    CHECK(doctor.look("schema: table memoird_vectors").verdict() == "wrong");
}

TEST_CASE("a limit of the role below ours is a warning that names it") {
    Doctor doctor;
    doctor.url += (doctor.url.find('?') == std::string::npos ? "?" : "&") +
                  std::string("options=-c%20statement_timeout%3D5s");
    const auto seen = doctor.look("statement_timeout");
    CHECK(seen.verdict() == "warning");
    CHECK(seen.hint().find("alter role") != std::string::npos);
}

TEST_CASE("model files and the runtime that are missing are wrong, with what to install") {
    Doctor doctor;
    doctor.set("embedding.provider=onnx");
    doctor.set("embedding.model_dir=/nowhere");
    doctor.set("onnx.library=/nowhere/libonnxruntime.so");
    CHECK(doctor.look("ONNX Runtime").verdict() == "wrong");
    const auto seen = doctor.look("embedding model");
    CHECK(seen.verdict() == "wrong");
    CHECK(seen.hint().find("memoird-local-models") != std::string::npos);
}

TEST_CASE("model servers that are away are unavailable, each by its role") {
    Doctor doctor;
    doctor.set("embedding.url=http://127.0.0.1:1");
    doctor.set("extraction.url=http://127.0.0.1:1");
    CHECK(doctor.look("embedding").verdict() == "unavailable");
    const auto seen = doctor.look("extraction");
    CHECK(seen.verdict() == "unavailable");
    CHECK(seen.code == 69);
}

TEST_CASE("a vector index that is away is unavailable") {
    Doctor doctor;
    doctor.set("vector.backend=qdrant");
    doctor.set("vector.url=http://127.0.0.1:1");
    CHECK(doctor.look("vector index").verdict() == "unavailable");
}

TEST_CASE("a graph is looked at for its module and for writing; one that is away is unavailable") {
    Doctor doctor;
    doctor.set("graph.url=redis://127.0.0.1:1");
    CHECK(doctor.look("graph").verdict() == "unavailable");
    if (!FalkorDb::available()) return;
    FalkorDb server;
    doctor.set("graph.url=" + server.url());
    CHECK(doctor.look("graph").verdict() == "ok");
    CHECK(doctor.look("graph: FalkorDB module").detail().find("version 4.") == 0);
    CHECK(doctor.look("graph: takes writes").verdict() == "ok");
    FalkorDb reader("--requirepass word --user ro on >ro-word ~* +@read +ping +module|list");
    doctor.set("graph.url=" + reader.url());
    CHECK(doctor.look("graph").verdict() == "wrong");
}
