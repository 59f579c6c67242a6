#include "telemetry/sink_log.hpp"

#include <algorithm>
#include <iterator>
#include <utility>

#include "telemetry/catalog.hpp"

namespace memoir::telemetry {
namespace {

constexpr std::size_t batch = 1024;      // events handed to the sink at once
constexpr std::size_t max_recent = 50;   // a status page's worth
constexpr Milliseconds farewell{2'000};  // how long the destructor waits for the sink
// After a batch the thread lets events gather instead of being woken for each: under load this takes a few
// hundred wake-ups a second instead of tens of thousands.
constexpr Milliseconds gather{2};

std::size_t size_of(const Event& event) {
    std::size_t size = sizeof(Stamped) + event.message.size() + event.fields.size() * sizeof(Field);
    for (const Field& field : event.fields)
        if (const auto* text = std::get_if<std::string>(&field.value)) size += text->size();
    return size;
}

bool notable(const Event& event) {
    if (event.level != Level::info) return event.level > Level::info;
    const CatalogEntry* entry = find_event(event.name);
    return entry && entry->notable;
}

}  // namespace

SinkLog::SinkLog(std::unique_ptr<Sink> sink, Level level, Bounds bounds)
    : sink_(std::move(sink)),
      bounds_(bounds),
      level_(level),
      thread_([this](std::stop_token stop) { run(stop); }) {}

SinkLog::~SinkLog() {
    flush(farewell);
    thread_.request_stop();  // also ends a write that is waiting for its receiver
    thread_.join();
}

void SinkLog::emit(Event event) {
    if (!wants(event.level)) return;
    Stamped stamped{std::chrono::system_clock::now(), std::move(event)};
    const std::size_t size = size_of(stamped.event);
    const bool keep = notable(stamped.event);
    bool wake = false;
    {
        std::lock_guard lock(mutex_);
        if (keep) {
            recent_.push_back(stamped);
            if (recent_.size() > max_recent) recent_.pop_front();
        }
        if (queue_.size() >= bounds_.events || bytes_ + size > bounds_.bytes) {
            ++dropped_;
            ++unreported_;
            return;
        }
        queue_.push_back(std::move(stamped));
        bytes_ += size;
        ++accepted_;
        wake = std::exchange(idle_, false);
    }
    if (wake) work_.notify_one();
}

// Follows the events that filled the queue, and is queued beyond its bounds.
void SinkLog::report_drops() {
    const auto count = static_cast<std::int64_t>(std::exchange(unreported_, 0));
    if (!wants(Level::warning)) return;
    Event event{Level::warning,
                "memoir.log.dropped",
                "events were dropped because the log could not keep up",
                {{"count", count}}};
    bytes_ += size_of(event);
    queue_.push_back({std::chrono::system_clock::now(), std::move(event)});
    ++accepted_;
}

std::vector<Stamped> SinkLog::take() {
    const auto count = static_cast<std::ptrdiff_t>(std::min(batch, queue_.size()));
    std::vector<Stamped> taken(std::make_move_iterator(queue_.begin()),
                               std::make_move_iterator(queue_.begin() + count));
    queue_.erase(queue_.begin(), queue_.begin() + count);
    for (const Stamped& stamped : taken) bytes_ -= size_of(stamped.event);
    if (unreported_ > 0) report_drops();
    return taken;
}

void SinkLog::run(std::stop_token stop) {
    std::unique_lock lock(mutex_);
    while (!stop.stop_requested()) {
        idle_ = queue_.empty();
        if (!work_.wait(lock, stop, [&] { return !queue_.empty(); })) return;
        idle_ = false;
        const std::vector<Stamped> taken = take();
        lock.unlock();
        std::size_t lost = 0;
        try {
            lost = sink_->write(taken, stop);
        } catch (const std::exception&) {
            lost = taken.size();  // out of memory: it cannot be reported
        }
        lock.lock();
        finished_ += taken.size();
        dropped_ += lost;
        unreported_ += lost;
        written_.notify_all();
        if (queue_.empty()) work_.wait_for(lock, stop, gather, [&] { return flushing_ > 0; });
    }
}

bool SinkLog::flush(Milliseconds deadline) {
    std::unique_lock lock(mutex_);
    ++flushing_;
    work_.notify_one();
    const bool done = written_.wait_for(lock, deadline, [&, goal = accepted_] { return finished_ >= goal; });
    --flushing_;
    return done;
}

std::uint64_t SinkLog::dropped() const {
    std::lock_guard lock(mutex_);
    return dropped_;
}

std::vector<Stamped> SinkLog::recent() const {
    std::lock_guard lock(mutex_);
    return {recent_.begin(), recent_.end()};
}

}  // namespace memoir::telemetry
