#include "stages/extractor.hpp"

#include <fmt/core.h>

#include <algorithm>
#include <chrono>
#include <stdexcept>

#include "extraction/prompt.hpp"
#include "work/stage.hpp"

namespace memoir::stages {

namespace {
// All of a content: what is too long for the model is for the model to say.
constexpr int content_limit = 100'000'000;

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
    auto lease = pool_.acquire(stop);
    auto found = memory::load(*lease, settings_.schema, std::span(&pid, 1), content_limit);
    if (found.empty()) return std::nullopt;
    return Reading{std::move(found.front()), memory::derived(*lease, settings_.schema, pid)};
}

// Not by the row's version: the embed job of the same memory writes its qdrant_status meanwhile, more often
// than not.
bool Extractor::still(pg::Transaction& transaction, const Reading& reading) const {
    const auto& before = reading.source;
    const auto found =
        memory::load(transaction.connection(), settings_.schema, std::span(&before.pid, 1), content_limit);
    if (found.empty()) return false;
    const auto& now = found.front();
    if (now.version != before.version &&
        (now.content != before.content || now.event_at_ms != before.event_at_ms ||
         now.created_at_ms != before.created_at_ms || now.retired != before.retired ||
         now.scope != before.scope))
        return false;
    return memory::pids(memory::derived(transaction.connection(), settings_.schema, before.pid)) ==
           memory::pids(reading.derived);
}

extraction::Facts Extractor::ask(const work::Claim& claim, const model::ChatRequest& request,
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
            tell("memoir.extraction.llm_failed", "the model gave no usable reply", failure);
        throw;
    }
    try {
        return extraction::parse_facts(reply.text);
    } catch (const Failure& failure) {
        tell("memoir.extraction.parse_failed", "the model's reply holds no list of facts", failure);
        throw;
    }
}

Extractor::Paid Extractor::facts(const work::Claim& claim, const memory::Memory& source,
                                 const std::optional<std::string>& correction, const std::stop_token& stop) {
    model::ChatRequest request;
    request.stable = settings_.rules;
    request.user = extraction::memory_prompt(extraction::Task::facts,
                                             {reference_date(source), source.content, correction});
    request.schema_name = extraction::list_name(extraction::Task::facts);
    request.schema = extraction::reply_schema(extraction::Task::facts);
    request.attempt = claim.job().attempts + 1;

    Paid paid;
    paid.key = {source.pid, claim.job().kind, chat_.identity(request)};
    std::optional<extraction::Facts> parsed;
    if (const auto kept = replies_.find(paid.key, stop)) {
        try {
            parsed = extraction::facts_from_json(*kept);
        } catch (const std::invalid_argument&) {
            // Another version of memoird wrote it: paid again, and kept in our form.
        }
    }
    const bool paid_before = parsed.has_value();
    if (!parsed) {
        parsed = ask(claim, request, stop);
        replies_.keep(paid.key, extraction::to_json(*parsed), stop);
    }
    auto fields = work::job_fields(claim);
    fields.push_back({"memory_pid", source.pid});
    fields.push_back({"facts", number(parsed->facts.size())});
    fields.push_back({"skipped", number(parsed->skipped())});
    fields.push_back({"bad_dates", number(parsed->bad_dates)});
    fields.push_back({"paid_before", paid_before});
    log_.info("memoir.extraction.parsed", "a reply was read", std::move(fields));
    for (auto& fact : parsed->facts)
        paid.facts.push_back({std::move(fact.content), fact.confidence, std::move(fact.event_at)});
    return paid;
}

void Extractor::store(pg::Transaction& transaction, const memory::Memory& source, const Paid& paid) {
    try {
        memory::insert_facts(transaction, settings_.schema, source, paid.facts,
                             {std::string(chat_.provider()), chat_.model()}, settings_.categorize);
        replies_.remove(transaction, paid.key);
    } catch (const pg::Error& error) {
        if (error.error_class() == pg::ErrorClass::data) replies_.reject(transaction, paid.key);
        throw;
    }
}

}  // namespace memoir::stages
