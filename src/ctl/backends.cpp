#include "ctl/backends.hpp"

#include <filesystem>

#include "base/failure.hpp"
#include "ctl/table.hpp"
#include "endpoint/endpoint.hpp"
#include "graph/graph.hpp"
#include "model/embedder.hpp"
#include "vector/index.hpp"

namespace memoir::ctl {
namespace {

// A backend that is not what it should be is an answer here, not an error.
void look(Backend& backend, const std::function<endpoint::Endpoint*()>& open) {
    try {
        auto* endpoint = open();
        backend.usable = endpoint == nullptr || endpoint->probe_if_due({}, true);
        if (backend.usable) return;
        const auto snapshot = endpoint->snapshot();
        backend.detail = snapshot.reason;
        backend.hint = snapshot.hint;
    } catch (const StartError& error) {
        backend.detail = error.problem();
        backend.hint = error.hint();
    } catch (const Failure& failure) {
        backend.detail = failure.reason();
        backend.hint = failure.hint;
    } catch (const pg::Error& error) {
        backend.detail = error.what();
    }
}

Backend look_at_vector(Context& context) {
    const auto& options = context.config().vector;
    Backend backend{"vector", options.backend, false, {}, {}};
    if (options.backend == "postgres") {
        backend.what = "the table memoird_vectors";
        backend.usable = context.additions().vectors;
        if (!backend.usable) {
            backend.detail = "it is not there";
            backend.hint = "memoirctl schema apply creates it";
        }
        return backend;
    }
    backend.what += " at " + shown_url(options.url);
    // Its canary would create a collection that is not there: looking changes nothing.
    look(backend, [&]() -> endpoint::Endpoint* {
        const auto seen = context.index().look({});
        return seen.there && seen.missing_indexes.empty() ? context.index().endpoint() : nullptr;
    });
    return backend;
}

Backend look_at_embedding(Context& context) {
    const auto& options = context.config().embedding;
    Backend backend{"embedding", options.provider + " " + options.model, false, {}, {}};
    if (options.provider != "onnx") {
        if (!options.url.empty()) backend.what += " at " + shown_url(options.url);
        look(backend, [&] { return context.embedder().endpoint(); });
        return backend;
    }
    // Loading the model would cost more than all the rest of the answer.
    backend.usable = true;
    for (const auto* file : {"model.onnx", "tokenizer.json"}) {
        std::error_code error;
        if (std::filesystem::is_regular_file(std::filesystem::path(options.model_dir) / file, error))
            continue;
        backend.usable = false;
        backend.detail = std::string("there is no ") + file + " in " + options.model_dir;
        backend.hint = "install memoird-local-models, or set embedding.model_dir";
    }
    return backend;
}

Backend look_at_graph(Context& context) {
    Backend backend{"graph", "FalkorDB at " + shown_url(context.config().graph->url), false, {}, {}};
    look(backend, [&] { return &context.graph().client().endpoint(); });
    return backend;
}

}  // namespace

std::vector<Backend> look_at_backends(Context& context) {
    std::vector<Backend> backends{look_at_vector(context), look_at_embedding(context)};
    if (context.config().graph) backends.push_back(look_at_graph(context));
    return backends;
}

}  // namespace memoir::ctl
