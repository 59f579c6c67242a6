// What memoirctl doctor asks of models, vector index and graph, each broken on purpose.
#include <catch2/catch.hpp>

#include "ctl/doctor_rig.hpp"
#include "support/chat_double.hpp"
#include "support/falkordb.hpp"
#include "support/qdrant_double.hpp"

using namespace memoir;
using namespace memoir::test;

namespace {

bool has(const std::string& text, const std::string& part) {
    return text.find(part) != std::string::npos;
}

struct WithQdrant : Doctor {
    QdrantDouble& qdrant = QdrantDouble::shared();
    WithQdrant() {
        set("vector.backend=qdrant");
        set("vector.url=" + qdrant.url());
    }
    void collection(int size, const std::string& distance) {
        qdrant.request("PUT", "/collections/memoir_memories",
                       {{"vectors", {{"size", size}, {"distance", distance}}}});
    }
};

}  // namespace

TEST_CASE("model files and the runtime that are missing are wrong, with what to install") {
    Doctor doctor;
    doctor.set("embedding.provider=onnx");
    doctor.set("embedding.model_dir=/nowhere");
    doctor.set("onnx.library=/nowhere/libonnxruntime.so");
    CHECK(doctor.look("ONNX Runtime").verdict() == "wrong");
    const auto seen = doctor.look("embedding model");
    CHECK(seen.verdict() == "wrong");
    CHECK(has(seen.hint(), "memoird-local-models"));
    CHECK(doctor.look("embedding").verdict() == "absent");
}

TEST_CASE("a tokenizer that is none is wrong, and a model of another dimension is, too") {
    const std::string model = SOURCE_DIR "/build/models/bge-small-en-v1.5";
    const std::string library = SOURCE_DIR "/build/onnxruntime/lib/libonnxruntime.so";
    if (!std::filesystem::exists(model + "/model.onnx") || !std::filesystem::exists(library)) {
        WARN("the model is not there (scripts/fetch-models): its files are not tried");
        return;
    }
    Doctor doctor;
    doctor.set("embedding.provider=onnx");
    doctor.set("onnx.library=" + library);
    doctor.set("embedding.model_dir=" + model);
    doctor.set("embedding.dimension=384");
    CHECK(doctor.look("embedding").verdict() == "ok");
    doctor.set("embedding.dimension=512");
    auto seen = doctor.look("embedding");
    CHECK(seen.verdict() == "wrong");
    CHECK(has(seen.hint(), "embedding.dimension"));
    std::filesystem::create_symlink(model + "/model.onnx", doctor.folder + "/model.onnx");
    std::ofstream(doctor.folder + "/tokenizer.json") << "{}";
    doctor.set("embedding.model_dir=" + doctor.folder);
    seen = doctor.look("tokenizer");
    CHECK(seen.verdict() == "wrong");
    CHECK(has(seen.detail(), "tokenizer.json"));
}

TEST_CASE("classifier files that are missing or none are wrong") {
    Doctor doctor;
    doctor.set("classifier.model_dir=" + doctor.folder);
    auto seen = doctor.look("classifier model");
    CHECK(seen.verdict() == "wrong");
    CHECK(has(seen.hint(), "classifier.model_dir"));
    std::ofstream(doctor.folder + "/model.onnx") << "none";
    std::ofstream(doctor.folder + "/spm.model") << "none";
    CHECK(doctor.look("classifier model").verdict() == "wrong");
}

TEST_CASE("model servers that are away are unavailable, each by its role; an unknown model is wrong") {
    Doctor doctor;
    doctor.set("embedding.url=http://127.0.0.1:1");
    doctor.set("extraction.url=http://127.0.0.1:1");
    doctor.set("graph.url=redis://127.0.0.1:1");
    doctor.set("relational.url=http://127.0.0.1:1");
    CHECK(doctor.look("embedding").verdict() == "unavailable");
    CHECK(doctor.look("relational").verdict() == "unavailable");
    auto seen = doctor.look("extraction");
    CHECK(seen.verdict() == "unavailable");
    CHECK(seen.code == 69);
    doctor.set("embedding.url=" + doctor.embedder.url());
    doctor.embedder.before([](const HttpRequest&) {
        HttpReply reply;
        reply.status = 404;
        reply.body = R"({"error": "model not found"})";
        return reply;
    });
    seen = doctor.look("embedding");
    CHECK(seen.verdict() == "wrong");
    CHECK(has(seen.hint(), "ollama pull"));
    CHECK(seen.code == 78);
}

TEST_CASE("a chat model is asked as the first job will ask it, with rules, schema and parameters") {
    ChatDouble chat("openai", {});
    Doctor doctor;
    for (const auto& [key, value] : chat.settings()) doctor.set(key + "=" + value);
    auto seen = doctor.look("extraction");
    CHECK(seen.verdict() == "ok");
    CHECK(has(seen.detail(), "in the form that is asked for"));
    bool asked = false;
    for (const auto& request : chat.server().requests())
        asked = asked || (has(request.body, "json_schema") && has(request.body, "Maya"));
    CHECK(asked);
    chat.says([&](const std::string&, const HttpRequest&) { return chat.reply("I do not know."); });
    seen = doctor.look("extraction");
    CHECK(seen.verdict() == "warning");
    CHECK(has(seen.hint(), "another model"));
    chat.says([](const std::string&, const HttpRequest&) {
        return HttpReply{
            400, R"({"error":{"code":400,"message":"API key not valid.","status":"INVALID_ARGUMENT"}})"};
    });
    seen = doctor.look("extraction");
    CHECK(seen.verdict() == "wrong");
    CHECK(has(seen.hint(), "extraction.api_key_file"));
}

TEST_CASE("an embedding server of another dimension is wrong") {
    Doctor doctor;
    doctor.set("embedding.dimension=5");
    const auto seen = doctor.look("embedding");
    CHECK(seen.verdict() == "wrong");
    CHECK(has(seen.hint(), "embedding.dimension"));
}

TEST_CASE("a vector index that is away is unavailable; the gRPC port by mistake is wrong and said") {
    WithQdrant doctor;
    doctor.qdrant.fault({.kind = "no_http"});
    auto seen = doctor.look("vector index");
    CHECK(seen.verdict() == "wrong");
    CHECK(has(seen.hint(), "6333"));
    doctor.set("vector.url=http://127.0.0.1:1");
    seen = doctor.look("vector index");
    CHECK(seen.verdict() == "unavailable");
    CHECK(seen.code == 69);
}

TEST_CASE("doctor creates no collection, and status neither") {
    WithQdrant doctor;
    const auto seen = doctor.look("vector index");
    CHECK(seen.verdict() == "ok");
    CHECK(has(seen.detail(), "does not exist yet"));
    std::vector<std::string> status{memoirctl_PROGRAM,
                                    "--set",
                                    "database.url=" + doctor.url,
                                    "--set",
                                    "database.schema=" + doctor.schema.name(),
                                    "status"};
    for (const auto& setting : doctor.settings) status.insert(status.end(), {"--set", setting});
    CHECK(test::run({status, doctor.environment, {}}).code == 0);
    CHECK(doctor.qdrant.requests("PUT ") == 0);
    CHECK(doctor.qdrant.requests("POST ") == 0);
}

TEST_CASE("a collection of another dimension or distance is wrong; missing payload indexes are a warning") {
    WithQdrant doctor;
    doctor.collection(5, "Cosine");
    auto seen = doctor.look("vector index");
    CHECK(seen.verdict() == "wrong");
    CHECK(has(seen.detail(), "5 dimensions"));
    CHECK(seen.code == 78);
    doctor.qdrant.reset();
    doctor.collection(4, "Dot");
    seen = doctor.look("vector index");
    CHECK(seen.verdict() == "wrong");
    CHECK(has(seen.detail(), "Dot"));
    doctor.qdrant.reset();
    doctor.collection(4, "Cosine");
    seen = doctor.look("vector index: payload indexes");
    CHECK(seen.verdict() == "warning");
    CHECK(has(seen.detail(), "agent_id"));
    CHECK(doctor.qdrant.requests("/index") == 0);
}

TEST_CASE("a key of the vector index that is wrong, or only reads, is wrong") {
    WithQdrant doctor;
    // What memoird makes at its start.
    doctor.collection(4, "Cosine");
    for (const auto& [key, type] : std::map<std::string, std::string>{{"agent_id", "keyword"},
                                                                      {"org_id", "keyword"},
                                                                      {"user_id", "keyword"},
                                                                      {"kind", "keyword"},
                                                                      {"pid", "keyword"},
                                                                      {"category", "keyword"},
                                                                      {"confidence", "integer"},
                                                                      {"created_at", "integer"},
                                                                      {"event_at", "integer"}})
        doctor.qdrant.request("PUT", "/collections/memoir_memories/index?wait=true",
                              {{"field_name", key}, {"field_schema", type}});
    auto seen = doctor.look("vector index: takes writes");
    INFO(doctor.run(false).output);
    CHECK(seen.verdict() == "ok");
    doctor.qdrant.settings({{"api_key", "strong"}, {"read_only_key", "weak"}});
    CHECK(doctor.look("vector index").verdict() == "wrong");
    std::ofstream(doctor.folder + "/key") << "weak\n";
    std::filesystem::permissions(doctor.folder + "/key", std::filesystem::perms(0600));
    doctor.set("vector.api_key_file=" + doctor.folder + "/key");
    seen = doctor.look("vector index: takes writes");
    CHECK(seen.verdict() == "wrong");
    CHECK(has(seen.hint(), "vector.api_key_file"));
}

TEST_CASE("a graph is looked at for its module and for writing; one that is away is unavailable") {
    Doctor doctor;
    doctor.set("graph.url=redis://127.0.0.1:1");
    CHECK(doctor.look("graph").verdict() == "unavailable");
    if (!FalkorDb::available()) {
        WARN("there is no FalkorDB here (scripts/fetch-falkordb): only its absence is tried");
        return;
    }
    FalkorDb server;
    doctor.set("graph.url=" + server.url());
    CHECK(doctor.look("graph").verdict() == "ok");
    CHECK(has(doctor.look("graph: FalkorDB module").detail(), "version 4."));
    CHECK(doctor.look("graph: takes writes").verdict() == "ok");
    FalkorDb reader("--requirepass word --user ro on >ro-word ~* +@read +ping +module|list");
    doctor.set("graph.url=" + reader.url());
    CHECK(doctor.look("graph").verdict() == "wrong");
    std::ofstream(doctor.folder + "/password") << "ro-word\n";
    std::filesystem::permissions(doctor.folder + "/password", std::filesystem::perms(0600));
    doctor.set("graph.user=ro");
    doctor.set("graph.password_file=" + doctor.folder + "/password");
    CHECK(doctor.look("graph: takes writes").verdict() == "wrong");
}
