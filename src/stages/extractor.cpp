#include "stages/extractor.hpp"

#include <fmt/core.h>

#include <algorithm>
#include <chrono>
#include <stdexcept>

#include "base/failpoint.hpp"
#include "extraction/text.hpp"
#include "work/stage.hpp"

namespace memoir::stages {

namespace {
// No model's context holds so many characters; what is below is for the model to say.
constexpr std::size_t most_characters = 4'000'000;
constexpr int content_limit = static_cast<int>(most_characters) + 1;

std::int64_t number(std::size_t count) {
    return static_cast<std::int64_t>(count);
}
}  // namespace

bool Reading::newer_than(std::int64_t created_us) const {
    return std::any_of(derived.begin(), derived.end(),
                       [&](const memory::Derived& row) { return row.created_us > created_us; });
}

std::string reference_date(const memory::Memory& source) {
    using namespace std::chrono;
    const sys_time<milliseconds> moment{milliseconds(source.event_at_ms.value_or(source.created_at_ms))};
    const year_month_day date{floor<days>(moment)};
    return fmt::format("{:04}-{:02}-{:02}", static_cast<int>(date.year()),
                       static_cast<unsigned>(date.month()), static_cast<unsigned>(date.day()));
}

std::optional<Reading> Extractor::read(const std::string& pid, const std::stop_token& stop) const {
    auto connection = pool_.acquire(stop);
    auto found = memory::load_lineage(*connection, settings_.schema, pid, content_limit);
    if (!found) return std::nullopt;
    return Reading{std::move(found->memory), std::move(found->derived)};
}

namespace {

// Not by the row's version: the embed job of the same memory writes its qdrant_status meanwhile, more often
// than not.
bool alike(const memory::Memory& now, const memory::Memory& before) {
    return now.version == before.version ||
           (now.content == before.content && now.event_at_ms == before.event_at_ms &&
            now.created_at_ms == before.created_at_ms && now.retired == before.retired &&
            now.scope == before.scope);
}

}  // namespace

bool Extractor::same(pg::Transaction& transaction, const memory::Memory& before) const {
    const auto found =
        memory::load(transaction.connection(), settings_.schema, std::span(&before.pid, 1), content_limit);
    return !found.empty() && alike(found.front(), before);
}

bool Extractor::still(pg::Transaction& transaction, const Reading& reading) const {
    const auto now =
        memory::load_lineage(transaction.connection(), settings_.schema, reading.source.pid, content_limit);
    return now && alike(now->memory, reading.source) &&
           memory::pids(now->derived) == memory::pids(reading.derived);
}

namespace {

// What the two kinds of reply are to the journal and to the parser.
template <typename Reply>
struct Form;
template <>
struct Form<extraction::Facts> {
    static extraction::Facts parse(const std::string& text, std::size_t most) {
        return extraction::parse_facts(text, most);
    }
    static extraction::Facts read(const std::string& json) { return extraction::facts_from_json(json); }
};
template <>
struct Form<extraction::Triples> {
    static extraction::Triples parse(const std::string& text, std::size_t most) {
        return extraction::parse_triples(text, most);
    }
    static extraction::Triples read(const std::string& json) { return extraction::triples_from_json(json); }
};

}  // namespace

template <typename Reply>
Reply Extractor::ask(const work::Claim& claim, const model::ChatRequest& request,
                     const std::stop_token& stop) {
    const auto tell = [&](const char* event, const char* message, const Failure& failure) {
        auto fields = work::job_fields(claim);
        fields.push_back({"error", failure.reason()});
        fields.push_back({"failure_type", std::string(to_string(failure.type()))});
        log_.warning(event, message, std::move(fields));
    };
    model::ChatReply reply;
    try {
        reply = chat_.complete(request, stop);
    } catch (const Failure& failure) {
        if (failure.type() != FailureType::cancelled)
            tell("memoir.extraction.llm_failed", "the model call failed", failure);
        throw;
    }
    try {
        return Form<Reply>::parse(reply.text, settings_.most_items);
    } catch (const Failure& failure) {
        tell("memoir.extraction.parse_failed", "the model's reply does not contain the requested list",
             failure);
        throw;
    }
}

template <typename Reply>
Reply Extractor::reply(const work::Claim& claim, const model::ChatRequest& request,
                       const memory::Replies::Key& key, std::vector<telemetry::Field>& fields,
                       const std::stop_token& stop) {
    std::optional<Reply> parsed;
    if (const auto kept = replies_.find(key, stop)) {
        try {
            parsed = Form<Reply>::read(*kept);
        } catch (const std::invalid_argument&) {
            // Another version of memoird wrote it: paid again, and kept in our form.
        }
    }
    fields.push_back({"paid_before", parsed.has_value()});
    if (!parsed) {
        failpoint("reply.asking");
        parsed = ask<Reply>(claim, request, stop);
        failpoint("reply.arrived");
        replies_.keep(key, extraction::to_json(*parsed), stop);
        failpoint("reply.kept");
    }
    return std::move(*parsed);
}

void Extractor::tell_parsed(std::size_t beyond, std::vector<telemetry::Field> fields) {
    if (beyond == 0) return log_.info("memoir.extraction.parsed", "a reply was read", std::move(fields));
    log_.warning("memoir.extraction.parsed",
                 "a reply held more than the limit of " + std::to_string(settings_.most_items) +
                     "; the rest is left out",
                 std::move(fields));
}

model::ChatRequest Extractor::request(const work::Claim& claim, extraction::Task task,
                                      const memory::Memory& source,
                                      const std::optional<std::string>& correction) const {
    model::ChatRequest request;
    request.stable = settings_.rules;
    request.user = extraction::memory_prompt(task, {reference_date(source), source.content, correction});
    request.schema_name = extraction::list_name(task);
    request.schema = extraction::reply_schema(task);
    request.attempt = claim.job().attempts + 1;
    return request;
}

namespace {
void require_readable(const memory::Memory& source) {
    if (source.content.size() > most_characters &&
        extraction::count_scalars(source.content) > most_characters)
        throw Failure(FailureType::permanent, "the content is longer than 4,000,000 characters");
}
}  // namespace

Extractor::Paid Extractor::facts(const work::Claim& claim, const memory::Memory& source,
                                 const std::optional<std::string>& correction, const std::stop_token& stop) {
    require_readable(source);
    const auto asked = request(claim, extraction::Task::facts, source, correction);
    Paid paid;
    paid.key = {source.pid, claim.job().kind, chat_.identity(asked)};
    // Two corrections in the same words are two calls: one must not use up what the other has paid.
    if (claim.job().kind == "reprocess") paid.key.request_hash += ":" + std::to_string(claim.job().id);
    auto fields = work::job_fields(claim);
    auto parsed = reply<extraction::Facts>(claim, asked, paid.key, fields, stop);
    fields.push_back({"memory_pid", source.pid});
    fields.push_back({"facts", number(parsed.facts.size())});
    fields.push_back({"skipped", number(parsed.skipped())});
    fields.push_back({"bad_dates", number(parsed.bad_dates)});
    fields.push_back({"beyond_limit", number(parsed.beyond)});
    tell_parsed(parsed.beyond, std::move(fields));
    for (auto& fact : parsed.facts)
        paid.facts.push_back({std::move(fact.content), fact.confidence, std::move(fact.event_at)});
    return paid;
}

Extractor::PaidTriples Extractor::triples(const work::Claim& claim, const memory::Memory& source,
                                          const std::stop_token& stop) {
    require_readable(source);
    const auto asked = request(claim, extraction::Task::triples, source, std::nullopt);
    PaidTriples paid;
    paid.key = {source.pid, claim.job().kind, chat_.identity(asked)};
    auto fields = work::job_fields(claim);
    const auto parsed = reply<extraction::Triples>(claim, asked, paid.key, fields, stop);
    fields.push_back({"triples", number(parsed.triples.size())});
    fields.push_back({"skipped", number(parsed.malformed)});
    fields.push_back({"beyond_limit", number(parsed.beyond)});
    tell_parsed(parsed.beyond, std::move(fields));
    paid.triples = extraction::to_json(parsed);
    paid.count = parsed.triples.size();
    return paid;
}

void Extractor::store(pg::Transaction& transaction, const memory::Memory& source, const Paid& paid) {
    memory::insert_facts(transaction, settings_.schema, source, paid.facts,
                         {std::string(chat_.provider()), chat_.model()}, settings_.categorize);
}

}  // namespace memoir::stages
