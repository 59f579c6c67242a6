#include "stages/extract.hpp"

#include "base/failpoint.hpp"
#include "stages/each_member.hpp"

namespace memoir::stages {

// The facts of a batch's members.
class Extract::Store : public work::Effects {
  public:
    Store(Extract& stage, std::size_t count) : stage_(stage), members_(count) {}

    struct Member {
        Reading reading;
        std::optional<Extractor::Paid> paid;  // none: nothing is stored, but a round before may have paid
        std::vector<telemetry::Field> fields;
    };
    void add(std::size_t member, Member value) { members_[member] = std::move(value); }

    void apply(pg::Transaction& transaction, work::Members members) override {
        for (const auto member : members) {
            if (!members_[member]) continue;
            const auto& [reading, paid, fields] = *members_[member];
            if (!stage_.extractor_.still(transaction, reading)) throw work::Changed({member});
            failpoint("extract.storing");
            if (paid) stage_.extractor_.store(transaction, reading.source, *paid);
            // Those of the content before an edit, too.
            stage_.extractor_.replies().remove_all(transaction, reading.source.pid, "extract");
            failpoint("extract.stored");
        }
    }

    void refused(work::Members members) override {
        for (const auto member : members)
            if (members_[member] && members_[member]->paid)
                stage_.extractor_.replies().reject(members_[member]->paid->key);
    }

    void abandoned(work::Members members) override {
        for (const auto member : members)
            if (members_[member] && members_[member]->paid)
                stage_.extractor_.replies().let_go(members_[member]->paid->key);
    }

    void committed(work::Members members) override {
        for (const auto member : members) {
            if (!members_[member] || !members_[member]->paid) continue;
            auto fields = members_[member]->fields;
            fields.push_back({"facts", static_cast<std::int64_t>(members_[member]->paid->facts.size())});
            stage_.log_.info("memoir.extraction.persisted", "facts stored", std::move(fields));
        }
    }

  private:
    Extract& stage_;
    std::vector<std::optional<Member>> members_;  // none: nothing to store
};

void Extract::one(work::Claim& claim, std::size_t member, Store& effects, const std::stop_token& stop) {
    failpoint("extract.begun");
    auto reading = extractor_.read(claim.job().source_pid, stop);
    if (!reading)
        return log_.info("memoir.extraction.source_missing", "the memory was deleted before its job ran",
                         work::job_fields(claim));
    // A correction came first, and it saw all that this job would: another set would stand beside its own.
    const char* reason = reading->source.retired ? "the memory is retired"
                         : reading->newer_than(claim.job().position.created_us)
                             ? "a correction has replaced its facts already"
                             : nullptr;
    if (reason) {
        auto fields = work::job_fields(claim);
        fields.push_back({"reason", std::string(reason)});
        log_.info("memoir.extraction.skipped", "nothing to extract", std::move(fields));
        return effects.add(member, {std::move(*reading), std::nullopt, {}});
    }
    log_.debug("memoir.extraction.started", "asking the model for facts", work::job_fields(claim));
    auto paid = extractor_.facts(claim, reading->source, std::nullopt, stop);
    effects.add(member, {std::move(*reading), std::move(paid), work::job_fields(claim)});
}

work::Result Extract::run(std::span<work::Claim> claims, work::Checkpoints&, std::stop_token stop) {
    auto effects = std::make_unique<Store>(*this, claims.size());
    auto result = each_member(
        claims, [&](work::Claim& claim, std::size_t member) { one(claim, member, *effects, stop); });
    result.effects = std::move(effects);
    return result;
}

}  // namespace memoir::stages
