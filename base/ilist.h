/* SPDX-License-Identifier: Apache-2.0 */
/**
 * Intrusive doubly linked list: the link lives inside the element, so linking never allocates.
 * A removed link is NULL, and adding a linked element is a programmer error. Links start zeroed; an ilist points to
 * itself and so stays where it was initialised.
 */
#ifndef KV_BASE_ILIST_H
#define KV_BASE_ILIST_H

#include "base/base.h"

struct ilink {
	struct ilink *prev;
	struct ilink *next;
};

struct ilist {
	struct ilink head; /* private; circular */
};

static inline void ilist_init(struct ilist *list)
{
	list->head.prev = &list->head;
	list->head.next = &list->head;
}

static inline bool ilink_is_linked(const struct ilink *link) { return link->next != NULL; }

static inline bool ilist_is_empty(const struct ilist *list) { return list->head.next == &list->head; }

static inline void ilist_push_back(struct ilist *list, struct ilink *link)
{
	KV_ASSERT(!ilink_is_linked(link));
	link->prev = list->head.prev;
	link->next = &list->head;
	link->prev->next = link;
	list->head.prev = link;
}

static inline void ilist_push_front(struct ilist *list, struct ilink *link)
{
	KV_ASSERT(!ilink_is_linked(link));
	link->prev = &list->head;
	link->next = list->head.next;
	link->next->prev = link;
	list->head.next = link;
}

static inline void ilist_remove(struct ilink *link)
{
	KV_ASSERT(ilink_is_linked(link));
	link->prev->next = link->next;
	link->next->prev = link->prev;
	link->prev = NULL;
	link->next = NULL;
}

/** Links LINK behind BEFORE, which is linked or a list's head. */
static inline void ilist_insert_after(struct ilink *before, struct ilink *link)
{
	KV_ASSERT(!ilink_is_linked(link));
	link->prev = before;
	link->next = before->next;
	before->next->prev = link;
	before->next = link;
}

/** First link or NULL. */
static inline struct ilink *ilist_first(const struct ilist *list)
{
	return ilist_is_empty(list) ? NULL : list->head.next;
}

/** The link after LINK or NULL. */
static inline struct ilink *ilist_next(const struct ilist *list, const struct ilink *link)
{
	return link->next == &list->head ? NULL : link->next;
}

/** Removes and returns the first link, or NULL. */
static inline struct ilink *ilist_pop_front(struct ilist *list)
{
	struct ilink *first = ilist_first(list);
	if (first)
		ilist_remove(first);
	return first;
}

#endif
