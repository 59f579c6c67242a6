#include "stages/categorize.hpp"

#include <map>

#include "endpoint/endpoint.hpp"
#include "memory/facts.hpp"
#include "stages/bisect.hpp"
#include "stages/repair.hpp"

namespace memoir::stages {

namespace {
// As for embed: more than any model sees.
constexpr int content_limit = 65'536;
}  // namespace

class Categorize::Label : public work::Effects {
  public:
    Label(Categorize& stage, std::size_t count) : stage_(stage), members_(count) {}

    struct Member {
        std::string pid, version, category;
        std::vector<telemetry::Field> fields;
    };
    void add(std::size_t member, Member value) { members_[member] = std::move(value); }

    std::string version(std::size_t member) const override {
        return members_[member] ? members_[member]->version : std::string();
    }

    void prepare(work::Members members, std::stop_token stop) override {
        // The postgres backend has no copy of the category, or writes it in the transaction.
        written_ = stage_.index_.endpoint() != nullptr;
        effects_.clear();
        for (const auto member : members)
            if (const auto& label = members_[member])
                if (auto effect = stage_.index_.set_category(label->pid, label->category, stop))
                    effects_.push_back(std::move(effect));
    }

    void apply(pg::Transaction& transaction, work::Members members) override {
        for (const auto& effect : effects_) effect(transaction);
        std::vector<std::string> pids, categories;
        for (const auto member : members)
            if (const auto& label = members_[member]) {
                pids.push_back(label->pid);
                categories.push_back(label->category);
            }
        if (!pids.empty()) memory::set_categories(transaction, stage_.schema_, pids, categories);
    }

    void committed(work::Members members) override {
        for (const auto member : members) {
            if (!members_[member]) continue;
            auto fields = members_[member]->fields;
            fields.push_back({"category", members_[member]->category});
            stage_.log_.info("memoir.categorize.done", "memory categorized", std::move(fields));
        }
    }

    void abandoned(work::Members members) override {
        if (!written_) return;
        std::vector<std::string> pids;
        for (const auto member : members)
            if (members_[member]) pids.push_back(members_[member]->pid);
        repair_points(stage_.index_, stage_.pool_, stage_.schema_, pids, stage_.log_);
    }

  private:
    Categorize& stage_;
    std::vector<std::optional<Member>> members_;  // none: nothing to label
    std::vector<pg::Effect> effects_;
    bool written_ = false;
};

work::Result Categorize::run(std::span<work::Claim> claims, work::Checkpoints&, std::stop_token stop) {
    std::vector<std::string> pids;
    for (const auto& claim : claims) pids.push_back(claim.job().source_pid);
    std::map<std::string, memory::Memory> memories;
    {
        auto connection = pool_.acquire(stop);
        for (auto& memory : memory::load(*connection, schema_, pids, content_limit))
            memories.emplace(memory.pid, std::move(memory));
    }
    work::Result result;
    result.failures.resize(claims.size());
    auto effects = std::make_unique<Label>(*this, claims.size());
    std::vector<std::size_t> members;  // those with something to label
    std::vector<std::string> texts;
    for (std::size_t member = 0; member < claims.size(); ++member) {
        const auto found = memories.find(claims[member].job().source_pid);
        if (found == memories.end()) {
            log_.info("memoir.categorize.source_missing", "the memory was deleted before its job ran",
                      work::job_fields(claims[member]));
        } else if (found->second.retired) {
            log_.info("memoir.categorize.skipped", "the memory is retired; nothing to categorize",
                      work::job_fields(claims[member]));
        } else {
            members.push_back(member);
            texts.push_back(found->second.content);
        }
    }
    const auto failures = bisect(members.size(), [&](std::span<const std::size_t> part) {
        std::vector<std::string> some;
        std::vector<std::size_t> its;
        for (const auto at : part) {
            some.push_back(texts[at]);
            its.push_back(members[at]);
        }
        const endpoint::OnBehalf jobs(work::ids(claims, its));
        auto labels = classifier_.classify(some, stop);
        for (std::size_t at = 0; at < part.size(); ++at) {
            const auto member = members[part[at]];
            const auto& memory = memories.at(claims[member].job().source_pid);
            effects->add(member, {memory.pid, memory.version, std::move(labels[at]),
                                  work::job_fields(claims[member])});
        }
    });
    for (std::size_t at = 0; at < members.size(); ++at) result.failures[members[at]] = failures[at];
    result.effects = std::move(effects);
    return result;
}

}  // namespace memoir::stages
