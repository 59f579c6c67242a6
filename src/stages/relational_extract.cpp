#include "stages/relational_extract.hpp"

#include "memory/staging.hpp"
#include "stages/each_member.hpp"

namespace memoir::stages {

// The triples of a batch's members.
class RelationalExtract::Store : public work::Effects {
  public:
    Store(RelationalExtract& stage, std::size_t count) : stage_(stage), members_(count) {}

    struct Member {
        memory::Memory source;
        std::optional<Extractor::PaidTriples>
            paid;  // none: nothing is staged, but a round before may have paid
        std::vector<telemetry::Field> fields;
    };
    void add(std::size_t member, Member value) { members_[member] = std::move(value); }

    void apply(pg::Transaction& transaction, work::Members members) override {
        for (const auto member : members) {
            if (!members_[member]) continue;
            const auto& said = *members_[member];
            if (!stage_.extractor_.same(transaction, said.source)) throw work::Changed({member});
            if (said.paid) memory::stage(transaction, stage_.schema_, said.source.pid, said.paid->triples);
            stage_.extractor_.replies().remove_all(transaction, said.source.pid, "relational_extract");
        }
    }

    void refused(work::Members members) override {
        for (const auto member : members)
            if (members_[member] && members_[member]->paid)
                stage_.extractor_.replies().reject(members_[member]->paid->key);
    }

    void committed(work::Members members) override {
        for (const auto member : members) {
            if (!members_[member] || !members_[member]->paid) continue;
            auto fields = std::move(members_[member]->fields);
            fields.push_back({"triples", static_cast<std::int64_t>(members_[member]->paid->count)});
            stage_.log_.info("memoir.relational.staged", "triples staged for the graph", std::move(fields));
        }
    }

  private:
    RelationalExtract& stage_;
    std::vector<std::optional<Member>> members_;
};

void RelationalExtract::one(work::Claim& claim, std::size_t member, Store& effects,
                            const std::stop_token& stop) {
    auto reading = extractor_.read(claim.job().source_pid, stop);
    if (!reading)
        return log_.info("memoir.relational.source_missing", "the memory was deleted before its job ran",
                         work::job_fields(claim));
    if (reading->source.retired) {
        auto fields = work::job_fields(claim);
        fields.push_back({"reason", std::string("the memory is retired")});
        log_.info("memoir.relational.skipped", "no triples to extract", std::move(fields));
        return effects.add(member, {std::move(reading->source), std::nullopt, {}});
    }
    auto paid = extractor_.triples(claim, reading->source, stop);
    effects.add(member, {std::move(reading->source), std::move(paid), work::job_fields(claim)});
}

work::Result RelationalExtract::run(std::span<work::Claim> claims, work::Checkpoints&, std::stop_token stop) {
    auto effects = std::make_unique<Store>(*this, claims.size());
    auto result = each_member(
        claims, [&](work::Claim& claim, std::size_t member) { one(claim, member, *effects, stop); });
    result.effects = std::move(effects);
    return result;
}

}  // namespace memoir::stages
