#include "work/checkpoint.hpp"

#include "base/failpoint.hpp"
#include "memory/memory.hpp"

namespace memoir::work {

namespace {
constexpr std::array<Index, 1> only{0};
}

Checkpointer::Step Checkpointer::look(Claim& claim, const std::string& payload) {
    auto connection = context_.pool.acquire(context_.abandon, connection_wait);
    const auto statement = queue::look(context_.schema, ids(std::span(&claim, 1), only), payload);
    const auto rows = queue::seen(connection->exec(statement));
    const auto fate = queue::resolve(queue::Meant::checkpoint, claim.job().claimed_by,
                                     rows.empty() ? std::nullopt : std::optional(rows.front()));
    if (fate == queue::CommitFate::done) return Step::stood;
    return fate == queue::CommitFate::again ? Step::again : Step::lost;
}

// `unknown`: whether the try before this one may stand; on return whether this one may.
Checkpointer::Step Checkpointer::attempt(Claim& claim, const std::string& payload, Effects& effects,
                                         bool& unknown) {
    const auto batch = std::span(&claim, 1);
    if (unknown) {
        const auto step = look(claim, payload);
        unknown = false;
        if (step != Step::again) return step;
    }
    effects.prepare(only, claim.run().token());
    auto connection = context_.pool.acquire(context_.abandon, connection_wait);
    pg::Transaction transaction(*connection, pg::Transaction::Durability::on);
    const auto pids = sources(batch, only);
    const auto locked = memory::lock(transaction, context_.schema, pids);
    if (locked.empty())
        return memory::existing(transaction, context_.schema, pids).empty() ? Step::lost : Step::again;
    const auto version = effects.version(0);
    if (!version.empty() && version != locked.front().version) throw Changed({0});
    const auto statement = queue::checkpoint(context_.schema, claim.fence(), claim.job().payload, payload);
    if (transaction.exec(statement).empty()) {
        unknown = true;
        return Step::again;  // the look tells whether it is lost, or stood before
    }
    effects.apply(transaction, only);
    unknown = true;
    failpoint("checkpoint.committing");
    transaction.commit();
    failpoint("checkpoint.committed");
    return Step::stood;
}

void Checkpointer::store(Claim& claim, const std::string& payload, Effects& effects) {
    const Settling settling(context_.claims, ids(std::span(&claim, 1), only));
    bool unknown = false;
    auto step = Step::again;
    try {
        persist_.until_it_stands([&] {
            // Another worker does it again; only a commit that may stand has to be known.
            if (!unknown && claim.run().token().stop_requested())
                throw Failure(FailureType::cancelled, "cancelled at a checkpoint");
            step = attempt(claim, payload, effects, unknown);
            return step != Step::again;
        });
    } catch (const pg::Error& error) {
        if (error.error_class() == pg::ErrorClass::data) effects.refused(only);
        throw;
    }
    if (step != Step::stood) throw Failure(FailureType::cancelled, "the claim was lost at a checkpoint");
    effects.committed(only);
    claim.payload(payload);
    claim.run().restart(Steady::now());
}

}  // namespace memoir::work
