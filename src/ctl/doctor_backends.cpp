#include <unistd.h>

#include <algorithm>
#include <filesystem>

#include "base/failure.hpp"
#include "base/join.hpp"
#include "ctl/doctor.hpp"
#include "ctl/table.hpp"
#include "endpoint/endpoint.hpp"
#include "extraction/prompt.hpp"
#include "extraction/reply.hpp"
#include "extraction/triples.hpp"
#include "graph/graph.hpp"
#include "http/client.hpp"
#include "model/chat.hpp"
#include "model/deberta_tokenizer.hpp"
#include "model/embedder.hpp"
#include "model/onnx_runtime.hpp"
#include "model/wordpiece.hpp"
#include "vector/index.hpp"

namespace memoir::ctl {
namespace {

using Grade = Finding::Grade;

bool serves(const Context& context, const std::string& kind) {
    return std::ranges::any_of(context.config().worker.lanes, [&](const auto& lane) {
        return std::ranges::find(lane.kinds, kind) != lane.kinds.end();
    });
}

void need_files(const std::string& folder, std::initializer_list<const char*> files,
                const std::string& setting) {
    for (const char* file : files) {
        const auto path = folder + "/" + file;
        std::error_code ignored;
        if (!std::filesystem::is_regular_file(path, ignored))
            throw StartError(folder + " does not contain " + file,
                             "install memoird-local-models, or set " + setting);
        if (::access(path.c_str(), R_OK) != 0)
            throw StartError("this user cannot read " + path, "chmod a+r " + path);
    }
}

// One synthetic request, as a breaker's canary sends it.
void need(endpoint::Endpoint& endpoint) {
    if (endpoint.probe_if_due({}, true)) return;
    const auto seen = endpoint.snapshot();
    Failure failure(seen.why, seen.reason);
    failure.hint = seen.hint;
    throw failure;
}

// The most texts that a lane embeds at a time.
int largest_batch(const Context& context) {
    int batch = 1;
    for (const auto& lane : context.config().worker.lanes)
        if (std::ranges::find(lane.kinds, "embed") != lane.kinds.end()) batch = std::max(batch, lane.batch);
    return batch;
}

// What the first job would ask, about a memory of nobody's: rules, schema and parameters are the real ones.
void ask(model::Chat& chat, extraction::Task task, const model::ChatOptions& options, Finding& finding) {
    model::ChatRequest request;
    request.stable = extraction::stable_prompt(task, options.prompt_file);
    request.user =
        extraction::memory_prompt(task, {"2026-01-01", "Maya lives in Lisbon and likes green tea.", {}});
    request.schema_name = extraction::list_name(task);
    request.schema = extraction::reply_schema(task);
    try {
        const auto reply = chat.complete(request, {});
        if (task == extraction::Task::facts)
            extraction::parse_facts(reply.text);
        else
            extraction::parse_triples(reply.text);
        finding.detail += ", in the form that is asked for";
    } catch (const Failure& failure) {
        if (failure.type() != FailureType::job) throw;
        doubt(finding, finding.detail + ", but not as asked: " + failure.reason(),
              "try another model, or a larger " + std::string(chat.endpoint().snapshot().name) +
                  ".max_output_tokens");
    }
}

Finding chat(Context& context, const std::string& role, const std::optional<model::ChatOptions>& options,
             const std::string& kind, extraction::Task task) {
    return examined(role, [&](Finding& finding) {
        if (!options) {
            finding.detail = "not configured: this host leaves " + kind + " jobs to others";
            return;
        }
        finding.detail = options->provider + " " + model::chat_model(*options) + " at " +
                         shown_url(model::chat_url(*options));
        const auto chat = model::make_chat(*options, role, context.http(), context.log());
        need(chat->endpoint());
        finding.detail += " answers";
        ask(*chat, task, *options, finding);
    });
}

bool has_graph_module(const graph::Value& value, std::int64_t& version) {
    const auto* list = std::get_if<graph::List>(&value);
    if (!list) return false;
    for (std::size_t at = 0; at < list->size(); ++at) {
        if (has_graph_module((*list)[at], version)) return true;
        if ((*list)[at].text() != "graph") continue;
        // [name, graph, ver, 41603, …]
        for (std::size_t next = at + 1; next + 1 < list->size(); ++next)
            if ((*list)[next].text() == "ver")
                if (const auto* number = std::get_if<std::int64_t>(&(*list)[next + 1])) version = *number;
        return true;
    }
    return false;
}

}  // namespace

void look_at_models(Context& context, Findings& findings) {
    const auto& config = context.config();
    const bool local = config.embedding.provider == "onnx";
    const bool nli = config.classifier && config.classifier->provider == "onnx";
    if (local || nli)
        findings.push_back(examined("ONNX Runtime", [&](Finding& finding) {
            const auto runtime = model::OnnxRuntime::open(config.onnx);
            finding.detail = "version " + runtime->version() + ", " + runtime->library();
        }));
    const bool runs = !(local || nli) || went_well(findings);
    bool complete = true;
    if (local) {
        findings.push_back(examined("embedding model", [&](Finding& finding) {
            need_files(config.embedding.model_dir, {"model.onnx", "tokenizer.json"}, "embedding.model_dir");
            finding.detail = config.embedding.model_dir;
        }));
        complete = went_well(findings);
        if (complete)
            findings.push_back(examined("tokenizer", [&](Finding& finding) {
                model::WordPiece::load(config.embedding.model_dir + "/tokenizer.json");
                finding.detail = "valid";
            }));
        complete = complete && went_well(findings);
    }
    if (runs && complete)
        findings.push_back(examined("embedding", [&](Finding& finding) {
            auto& embedder = context.embedder();
            if (auto* endpoint = embedder.endpoint()) need(*endpoint);
            // A batch, as jobs come: a server may take fewer texts at a time than a lane gives it.
            std::vector<std::string> texts;
            for (int at = 0; at < largest_batch(context); ++at)
                texts.push_back("memoird looks whether text " + std::to_string(at) + " can be embedded");
            embedder.embed(texts, {});
            finding.detail = config.embedding.provider + " " + config.embedding.model +
                             " returns vectors of " + std::to_string(config.embedding.dimension) +
                             " dimensions";
        }));
    if (nli)
        findings.push_back(examined("classifier model", [&](Finding& finding) {
            need_files(config.classifier->model_dir, {"model.onnx", "spm.model"}, "classifier.model_dir");
            const model::DebertaTokenizer tokenizer(config.classifier->model_dir + "/spm.model");
            finding.detail = config.classifier->model_dir;
        }));
    if (serves(context, "extract"))
        findings.push_back(
            chat(context, "extraction", config.extraction, "extract", extraction::Task::facts));
    if (serves(context, "relational_extract") && config.graph)
        findings.push_back(
            chat(context, "relational", config.relational, "relational_extract", extraction::Task::triples));
}

void look_at_vectors(Context& context, Findings& findings) {
    const auto& options = context.config().vector;
    const bool qdrant = options.backend == "qdrant";
    vector::Index::Seen seen;
    findings.push_back(examined("vector index", [&](Finding& finding) {
        seen = context.index().look({});
        finding.detail = qdrant ? "collection " + options.collection + " at " + shown_url(options.url)
                                : "the table memoird_vectors";
        if (!seen.there) finding.detail += ": does not exist yet; memoird creates it when it starts";
    }));
    if (!qdrant || !went_well(findings) || !seen.there) return;
    findings.push_back(examined("vector index: payload indexes", [&](Finding& finding) {
        finding.detail = "all present";
        if (!seen.missing_indexes.empty())
            doubt(finding, "missing: " + join(seen.missing_indexes) + "; searches scan the collection",
                  "memoird creates them when it starts; start it, or check the permissions of its API key");
    }));
    if (!seen.limits.empty())
        findings.push_back(examined("vector index: strict mode", [&](Finding& finding) {
            std::string limits;
            for (const auto& limit : seen.limits) limits += (limits.empty() ? "" : ", ") + limit;
            doubt(finding, "writing ends at " + limits,
                  "memoird waits there until the quota in strict_mode_config is raised");
        }));
    if (!seen.missing_indexes.empty()) return;  // a write would create them
    findings.push_back(examined("vector index: takes writes", [&](Finding&) {
        need(*context.index().endpoint());  // deletes a point that cannot exist
    }));
}

void look_at_graph(Context& context, Findings& findings) {
    if (!context.config().graph) {
        findings.push_back({"graph", Grade::good, "not configured", ""});
        return;
    }
    findings.push_back(examined("graph", [&](Finding& finding) {
        const std::vector<std::string> ping{"PING"};
        context.graph().client().command(ping, {});
        finding.detail = shown_url(context.config().graph->url) + " answers";
    }));
    if (findings.back().grade != Grade::good) return;
    findings.push_back(examined("graph: FalkorDB module", [&](Finding& finding) {
        const std::vector<std::string> question{"MODULE", "LIST"};
        std::int64_t version = 0;
        if (!has_graph_module(context.graph().client().command(question, {}), version))
            throw StartError("the server has not loaded the FalkorDB module",
                             "graph.url must name a Redis server that loads falkordb.so");
        finding.detail = "version " + std::to_string(version / 10'000) + "." +
                         std::to_string(version / 100 % 100) + "." + std::to_string(version % 100);
    }));
    if (findings.back().grade != Grade::good) return;
    findings.push_back(examined("graph: takes writes", [&](Finding&) {
        // What a job writes, into a graph of its own, which goes again.
        auto& client = context.graph().client();
        const std::string scratch = "memoird_doctor";
        const memory::Scope scope{"doctor", "doctor", "doctor"};
        const graph::Addition addition{"doctor",
                                       "2026-01-01T00:00:00+00:00",
                                       {{"Maya", {1, 0}}, {"tea", {0, 1}}},
                                       {{"Maya", "tea", "likes", 1}},
                                       {}};
        for (const auto& command : graph::commands(scope, addition))
            client.command(std::vector<std::string>{"GRAPH.QUERY", scratch, command.query}, {});
        client.command(std::vector<std::string>{"GRAPH.DELETE", scratch}, {});
    }));
}

}  // namespace memoir::ctl
