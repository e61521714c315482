// intrusive_list: a doubly linked list with the links in its entries.
#pragma once

#include <bight/core/export.hpp>

#include <cstddef>
#include <utility>

namespace BIGHT_EXPORT bight {
namespace detail {

/// The links of a T that may be in an intrusive_list<T>; T derives from it. They are meaningless while the
/// entry is in no list, and are not copied or moved with it.
template <class T>
class list_hook {
  protected:
    list_hook() noexcept {}                  // NOLINT(*-member-init,*-use-equals-default)
    list_hook(const list_hook&) noexcept {}  // NOLINT(*-member-init,*-use-equals-default)
    list_hook& operator=(const list_hook&) noexcept { return *this; }  // NOLINT(*-unhandled-self-assignment)
    ~list_hook() = default;

  private:
    template <class U>
    friend struct hook_links;
    T* next_;  // set when it enters a list
    T* previous_;
};

/// Gives an intrusive_list the links of its entries, which are in their list_hook.
template <class T>
struct hook_links {
    static T* next(const T& entry) noexcept { return hook(entry).next_; }
    static T* previous(const T& entry) noexcept { return hook(entry).previous_; }
    static void set_next(T& entry, T* to) noexcept { static_cast<list_hook<T>&>(entry).next_ = to; }
    static void set_previous(T& entry, T* to) noexcept { static_cast<list_hook<T>&>(entry).previous_ = to; }

  private:
    static const list_hook<T>& hook(const T& entry) noexcept { return entry; }
};

/// Inserts at either end or before another entry, and removes from anywhere, each in O(1) and without
/// allocating. An entry may be in one list at most, and must not move while it is.
///
/// While a loop iterates over it, other entries may be added and removed, but the loop's current entry must
/// stay: its successor is looked up when the body has ended.
template <class T, class Links = hook_links<T>>
class intrusive_list {
  public:
    class iterator {
      public:
        T& operator*() const noexcept { return *at_; }
        iterator& operator++() noexcept {
            at_ = Links::next(*at_);
            return *this;
        }
        bool operator==(const iterator&) const noexcept = default;

      private:
        friend class intrusive_list;
        explicit iterator(T* at) noexcept : at_(at) {}
        T* at_;
    };

    intrusive_list() noexcept = default;
    /// Takes all entries over.
    intrusive_list(intrusive_list&& other) noexcept
        : first_(std::exchange(other.first_, nullptr)), last_(std::exchange(other.last_, nullptr)) {}
    intrusive_list& operator=(intrusive_list&&) = delete;
    ~intrusive_list() = default;

    bool empty() const noexcept { return first_ == nullptr; }
    /// The first entry, or null.
    T* front() const noexcept { return first_; }
    /// The entry behind `entry`, or null.
    T* next(const T& entry) const noexcept { return Links::next(entry); }
    iterator begin() const noexcept { return iterator(first_); }
    iterator end() const noexcept { return iterator(nullptr); }

    void push_front(T& entry) noexcept { link(nullptr, entry, first_); }
    void push_back(T& entry) noexcept { link(last_, entry, nullptr); }
    /// Inserts before `at`; at the end when it is null.
    void insert(T* at, T& entry) noexcept { link(at ? Links::previous(*at) : last_, entry, at); }
    void remove(T& entry) noexcept {
        T* const before = Links::previous(entry);
        T* const behind = Links::next(entry);
        set_next(before, behind);
        set_previous(behind, before);
    }
    /// Takes the first entry out; null when there is none.
    T* pop_front() noexcept {
        T* const entry = first_;
        if (entry) remove(*entry);
        return entry;
    }

  private:
    void link(T* before, T& entry, T* behind) noexcept {
        Links::set_previous(entry, before);
        Links::set_next(entry, behind);
        set_next(before, &entry);
        set_previous(behind, &entry);
    }
    void set_next(T* entry, T* to) noexcept {
        if (entry) {
            Links::set_next(*entry, to);
        } else {
            first_ = to;
        }
    }
    void set_previous(T* entry, T* to) noexcept {
        if (entry) {
            Links::set_previous(*entry, to);
        } else {
            last_ = to;
        }
    }

    T* first_ = nullptr;
    T* last_ = nullptr;
};

/// An intrusive_list that knows its size.
template <class T>
class counted_list : private intrusive_list<T> {
    using list = intrusive_list<T>;

  public:
    using list::begin;
    using list::empty;
    using list::end;
    using list::front;

    counted_list() noexcept = default;
    /// Takes all entries over.
    counted_list(counted_list&& other) noexcept
        : list(std::move(other)), size_(std::exchange(other.size_, 0)) {}

    std::size_t size() const noexcept { return size_; }
    void push_front(T& entry) noexcept {
        list::push_front(entry);
        ++size_;
    }
    void push_back(T& entry) noexcept {
        list::push_back(entry);
        ++size_;
    }
    void remove(T& entry) noexcept {
        list::remove(entry);
        --size_;
    }
    T* pop_front() noexcept {
        T* const entry = list::pop_front();
        if (entry) --size_;
        return entry;
    }

  private:
    std::size_t size_ = 0;
};

}  // namespace detail
}  // namespace bight
