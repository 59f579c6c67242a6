#pragma once
// What an embedding server was found to take: parameters, texts and bytes of one request. Learned once, for
// every caller. What learns returns the news for people, empty when there is none. Thread safety: all of it.

#include <mutex>
#include <span>
#include <string>

#include "model/embedding_provider.hpp"

namespace memoir::model {

class EmbeddingKnowledge {
  public:
    EmbeddingForm form() const;
    EmbeddingLimits limits() const;  // learned ones alone; 0: none

    // The server named what it refuses.
    std::string learn(const EmbeddingForm& form);
    std::string learn_texts(std::size_t most);
    // A request passed in this form.
    std::string prove(std::span<const std::string> texts, const EmbeddingForm& form);
    // These were refused together, and passed in parts.
    std::string learn_from_parts(std::span<const std::string> texts, bool for_their_size);

    // No request of this form has passed yet, and it holds something that could be left out: true once in a
    // few times, for where that does not help it is asked in vain.
    bool may_try_less(const EmbeddingForm& form);
    // More texts or more bytes than in any request that passed: refused for what it is, perhaps.
    bool beyond_proven(std::span<const std::string> texts) const;

  private:
    mutable std::mutex mutex_;
    EmbeddingForm form_;
    bool form_proven_ = false;
    int futile_ = 0;  // refusals that are not asked about with less, still to come
    EmbeddingLimits learned_, proven_;
};

}  // namespace memoir::model
