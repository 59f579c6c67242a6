#include "model/embedding_knowledge.hpp"

#include <algorithm>

namespace memoir::model {
namespace {

constexpr int tries_apart = 5;

std::size_t bytes_of(std::span<const std::string> texts) {
    std::size_t bytes = 0;
    for (const auto& text : texts) bytes += text.size();
    return bytes;
}

std::string described(const EmbeddingForm& form) {
    std::string text;
    for (const auto& [sent, name] : {std::pair(form.encoding_format, "encoding_format"),
                                     {form.dimensions, "dimensions"},
                                     {form.truncate, "truncate"}})
        if (!sent) text += std::string(text.empty() ? "without " : ", ") + name;
    return text;
}

}  // namespace

EmbeddingForm EmbeddingKnowledge::form() const {
    std::lock_guard lock(mutex_);
    return form_;
}

EmbeddingLimits EmbeddingKnowledge::limits() const {
    std::lock_guard lock(mutex_);
    return learned_;
}

std::string EmbeddingKnowledge::learn(const EmbeddingForm& form) {
    std::lock_guard lock(mutex_);
    if (form_ == form) return {};
    form_ = form;
    return described(form);
}

std::string EmbeddingKnowledge::learn_texts(std::size_t most) {
    std::lock_guard lock(mutex_);
    if (learned_.texts != 0 && learned_.texts <= most) return {};
    learned_.texts = most;
    proven_.texts = std::min(proven_.texts, most);
    return "for at most " + std::to_string(most) + " texts a request";
}

std::string EmbeddingKnowledge::prove(std::span<const std::string> texts, const EmbeddingForm& form) {
    std::lock_guard lock(mutex_);
    proven_.texts = std::max(proven_.texts, texts.size());
    proven_.bytes = std::max(proven_.bytes, bytes_of(texts));
    futile_ = 0;
    if (form == form_) {
        form_proven_ = true;
        return {};
    }
    if (form_proven_) return {};
    form_ = form;
    form_proven_ = true;
    return described(form);
}

std::string EmbeddingKnowledge::learn_from_parts(std::span<const std::string> texts, bool for_their_size) {
    std::lock_guard lock(mutex_);
    if (for_their_size) {
        const auto most = std::min(proven_.bytes, bytes_of(texts) - 1);
        if (learned_.bytes != 0 && learned_.bytes <= most) return {};
        learned_.bytes = most;
        return "for at most " + std::to_string(most) + " bytes a request";
    }
    const auto most = std::clamp<std::size_t>(proven_.texts, 1, texts.size() - 1);
    if (learned_.texts != 0 && learned_.texts <= most) return {};
    learned_.texts = most;
    return "for at most " + std::to_string(most) + " texts a request";
}

bool EmbeddingKnowledge::may_try_less(const EmbeddingForm& form) {
    std::lock_guard lock(mutex_);
    if (form_proven_ || form == barest) return false;
    if (futile_ > 0 && --futile_ > 0) return false;
    futile_ = tries_apart;
    return true;
}

bool EmbeddingKnowledge::beyond_proven(std::span<const std::string> texts) const {
    std::lock_guard lock(mutex_);
    return texts.size() > proven_.texts || bytes_of(texts) > proven_.bytes;
}

}  // namespace memoir::model
