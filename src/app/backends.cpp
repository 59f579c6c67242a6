#include "app/backends.hpp"

#include <algorithm>

#include "base/pause.hpp"
#include "endpoint/endpoint.hpp"
#include "extraction/prompt.hpp"
#include "queue/probe_request.hpp"
#include "stages/feedback.hpp"

namespace memoir::app {

namespace {
// How often it is asked whether a probe is due; the endpoint says when.
constexpr Milliseconds probe_interval{250};
// How often it is looked, while one is open, whether an operator wants it to be asked at once.
constexpr Milliseconds request_interval{1'000};
// And for feedback of corrections that cannot be worked on.
constexpr Milliseconds feedback_interval{1'000};
// Replies that nobody came back for live for days: how often they are looked for.
// Of replies that the database did not take when they came.
constexpr Milliseconds flush_interval{5'000};
}  // namespace

Backends::Backends(config::Config config, Ground& ground, const Backends* before)
    : config_(std::move(config)),
      ground_(ground),
      parts_(config_, ground, before ? &before->parts_ : nullptr) {
    if (in_a_lane("embed")) add_embed();
    if (in_a_lane("extract")) add_extract();
    if (in_a_lane("categorize")) add_categorize();
    if (in_a_lane("reprocess")) add_reprocess();
    if (in_a_lane("relational_extract")) add_relational_extract();
    if (in_a_lane("synthesize")) add_synthesize();
    parts_.built();
}

work::Plan Backends::plan(const std::shared_ptr<const Backends>& backends) {
    return {backends->config_.worker, backends->registry_, backends->has_graph(), backends};
}

bool Backends::in_a_lane(const std::string& kind) const {
    const auto& lanes = config_.worker.lanes;
    return std::any_of(lanes.begin(), lanes.end(), [&](const auto& lane) {
        return std::find(lane.kinds.begin(), lane.kinds.end(), kind) != lane.kinds.end();
    });
}

std::vector<endpoint::Endpoint*> Backends::index_endpoints() {
    std::vector<endpoint::Endpoint*> list;
    for (auto* endpoint : {parts_.embedder().endpoint(), parts_.index().endpoint()})
        if (endpoint) list.push_back(endpoint);
    return list;
}

std::unique_ptr<stages::Extractor> Backends::make_extractor(model::Chat& chat,
                                                            const model::ChatOptions& options,
                                                            extraction::Task task) {
    stages::Extractor::Settings settings{
        config_.database.schema, extraction::stable_prompt(task, options.prompt_file),
        config_.classifier.has_value(), static_cast<std::size_t>(options.max_items)};
    return std::make_unique<stages::Extractor>(chat, ground_.replies, ground_.pool, std::move(settings),
                                               ground_.log);
}

stages::Extractor& Backends::extractor() {
    if (!extractor_)
        extractor_ = make_extractor(parts_.extraction(), *config_.extraction, extraction::Task::facts);
    return *extractor_;
}

void Backends::add_embed() {
    const auto& schema = config_.database.schema;
    embed_ =
        std::make_unique<stages::Embed>(parts_.embedder(), parts_.index(), ground_.pool, schema, ground_.log);
    work::Entry entry;
    entry.stage = embed_.get();
    entry.needs = index_endpoints();
    entry.when_failed = [schema](pg::Transaction& transaction, std::span<const std::string> pids) {
        stages::Embed::when_failed(transaction, schema, pids);
    };
    registry_["embed"] = std::move(entry);
}

void Backends::add_without_graph(const std::string& kind) {
    if (config_.worker.leave_graph_absent)
        unserved_.push_back({kind, "no [graph] section"});
    else if (kind == "synthesize")
        registry_[kind].no_op_event = "memoir.synthesize.no_graph";
    else
        registry_[kind] = {};
}

void Backends::add_relational_extract() {
    if (!config_.graph) return add_without_graph("relational_extract");
    if (!config_.relational) return add_absent("relational_extract", "[relational]");
    relator_ = make_extractor(parts_.relational(), *config_.relational, extraction::Task::triples);
    relational_extract_ =
        std::make_unique<stages::RelationalExtract>(*relator_, config_.database.schema, ground_.log);
    work::Entry entry;
    entry.stage = relational_extract_.get();
    entry.model = &parts_.relational().endpoint();
    entry.needs = {entry.model};
    entry.fan_in = true;
    entry.paid = true;
    registry_["relational_extract"] = std::move(entry);
}

void Backends::add_synthesize() {
    if (!config_.graph) return add_without_graph("synthesize");
    auto& embedder = parts_.embedder();
    synthesize_ = std::make_unique<stages::Synthesize>(parts_.graph(), ground_.scopes, embedder, ground_.pool,
                                                       config_.database.schema, ground_.log);
    work::Entry entry;
    entry.stage = synthesize_.get();
    if (auto* endpoint = embedder.endpoint()) entry.needs.push_back(endpoint);
    entry.needs.push_back(&parts_.graph_client().endpoint());
    entry.paid = true;
    registry_["synthesize"] = std::move(entry);
}

void Backends::add_absent(const std::string& kind, const std::string& section) {
    if (config_.worker.complete_unconfigured) {
        work::Entry entry;
        entry.fan_in = kind == "relational_extract" || (kind == "extract" && has_graph());
        registry_[kind] = std::move(entry);
    } else {
        unserved_.push_back({kind, "no " + section + " section"});
    }
}

void Backends::add_extract() {
    if (!config_.extraction) return add_absent("extract", "[extraction]");
    extract_ = std::make_unique<stages::Extract>(extractor(), ground_.log);
    work::Entry entry;
    entry.stage = extract_.get();
    entry.model = &parts_.extraction().endpoint();
    entry.needs = {entry.model};
    entry.fan_in = has_graph();
    entry.paid = true;
    registry_["extract"] = std::move(entry);
}

void Backends::add_categorize() {
    if (!config_.classifier) return add_absent("categorize", "[classifier]");
    auto& index = parts_.index();
    categorize_ = std::make_unique<stages::Categorize>(parts_.classifier(), index, ground_.pool,
                                                       config_.database.schema, ground_.log);
    work::Entry entry;
    entry.stage = categorize_.get();
    entry.needs = index_endpoints();
    registry_["categorize"] = std::move(entry);
}

void Backends::add_reprocess() {
    // Completed, not skipped: what a person said is stored all the same.
    if (!config_.extraction && !config_.worker.complete_unconfigured)
        return add_absent("reprocess", "[extraction]");
    stages::Reprocess::Tools tools;
    work::Entry entry;
    if (config_.extraction) {
        entry.needs = index_endpoints();
        tools = {&extractor(), &parts_.embedder(), &parts_.index()};
        entry.model = &parts_.extraction().endpoint();
        entry.needs.push_back(entry.model);
    }
    reprocess_ = std::make_unique<stages::Reprocess>(tools, has_graph(), ground_.pool,
                                                     config_.database.schema, ground_.log);
    entry.stage = reprocess_.get();
    entry.paid = true;
    registry_["reprocess"] = std::move(entry);
}

void Backends::ask_again(std::string_view name) const {
    for (auto* endpoint : endpoints())
        if (name.empty() || name == endpoint->name()) endpoint->probe_soon();
}

void Backends::obey_requests(const std::stop_token& stop) const {
    std::string last;
    while (pause(request_interval, stop)) {
        const auto is_open = [](const auto* endpoint) { return !endpoint->allows_claims(); };
        if (std::ranges::none_of(endpoints(), is_open)) continue;
        try {
            auto connection = ground_.pool.acquire(stop, request_interval);
            const auto request = queue::read_probe_request(
                connection->exec(queue::last_probe_request(config_.database.schema), stop));
            if (request.text == last) continue;
            last = request.text;
            ask_again(request.backend == queue::every_backend ? "" : request.backend);
        } catch (const pg::Error& error) {
            // The table is not there: `memoirctl schema apply` creates it, and the next start finds it.
            if (error.error_class() == pg::ErrorClass::schema) return;
        }
    }
}

bool Backends::takes_corrections() const {
    const auto entry = registry_.find("reprocess");
    return entry != registry_.end() && std::ranges::all_of(entry->second.needs, [](const auto* needed) {
               return needed->allows_claims();
           });
}

void Backends::store_feedback(const std::stop_token& stop) const {
    stages::Feedback feedback(ground_.pool, config_.database.schema, ground_.log);
    while (pause(feedback_interval, stop)) {
        if (takes_corrections()) continue;
        try {
            while (feedback.store_some(stop) == stages::Feedback::at_a_time && !stop.stop_requested())
                continue;
        } catch (const pg::Error&) {
            // The next time.
        }
    }
}

void Backends::watch() {
    std::lock_guard lock(mutex_);
    if (!watched_) return;
    if (in_a_lane("reprocess"))
        probers_.emplace_back([this](const std::stop_token& stop) { store_feedback(stop); });
    if (!endpoints().empty())
        probers_.emplace_back([this](const std::stop_token& stop) { obey_requests(stop); });
    for (auto* endpoint : endpoints())
        probers_.emplace_back([endpoint](const std::stop_token& stop) {
            while (pause(probe_interval, stop)) endpoint->probe_if_due(stop);
        });
    if (!extractor_ && !relator_) return;
    probers_.emplace_back([this](const std::stop_token& stop) {
        do {
            ground_.replies.flush(stop);
        } while (pause(flush_interval, stop));
    });
}

void Backends::unwatch() {
    std::vector<std::jthread> probers;
    {
        std::lock_guard lock(mutex_);
        watched_ = false;
        probers = std::exchange(probers_, {});
    }
    for (auto& prober : probers) prober.request_stop();  // all at once, then each is waited for
}

}  // namespace memoir::app
