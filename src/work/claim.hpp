#pragma once
// A job that this process holds. Move-only; its ends are in work::Settler: complete, retry, fail, release;
// its step is checkpoint. Destroyed unsettled it lets go of the row, and the next heartbeat hands it back.
// Thread safety: one thread at a time.

#include <memory>
#include <utility>

#include "queue/job.hpp"
#include "queue/settle.hpp"
#include "work/claim_table.hpp"

namespace memoir::work {

class Claim {
  public:
    // `sent`: when the claim statement was sent.
    Claim(queue::Job job, std::shared_ptr<Run> run, ClaimTable& table, TimePoint sent)
        : job_(std::move(job)), run_(std::move(run)), table_(&table) {
        table_->add(job_, run_, sent);
    }
    Claim(Claim&& other) noexcept
        : job_(std::move(other.job_)),
          run_(std::move(other.run_)),
          table_(std::exchange(other.table_, nullptr)),
          forfeited_(other.forfeited_) {}
    Claim& operator=(Claim&& other) noexcept {
        std::swap(job_, other.job_);
        std::swap(run_, other.run_);
        std::swap(table_, other.table_);
        std::swap(forfeited_, other.forfeited_);
        return *this;
    }
    ~Claim() {
        if (auto* table = std::exchange(table_, nullptr)) table->let_go(fence());
    }

    const queue::Job& job() const { return job_; }
    Run& run() const { return *run_; }
    queue::Fence fence() const { return {job_.id, job_.claimed_by}; }
    // A heartbeat found it gone; whatever we do, the fence changes nothing any more.
    bool lost() const { return table_ == nullptr || table_->lost(job_.id); }
    // The row is no longer ours to care for.
    void settled() {
        if (auto* table = std::exchange(table_, nullptr)) table->drop(fence());
    }
    // The same, because somebody else has it now, or because the row is gone.
    void forfeit() {
        forfeited_ = true;
        settled();
    }
    bool forfeited() const { return forfeited_; }
    // A checkpoint replaced it.
    void payload(std::string payload) { job_.payload = std::move(payload); }

  private:
    queue::Job job_;
    std::shared_ptr<Run> run_;
    ClaimTable* table_;
    bool forfeited_ = false;
};

}  // namespace memoir::work
