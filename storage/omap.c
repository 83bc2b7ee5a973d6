/* SPDX-License-Identifier: Apache-2.0 */
#include "storage/omap.h"

#include "base/hash.h"

/** A row's bytes; shared by all nodes, in all copies of the map, that hold the row. */
struct omap_entry {
	size_t refs;
	uint64_t priority;
	size_t key_size;
	size_t value_size;
	uint8_t bytes[]; /* key, then value */
};

struct omap_node {
	size_t refs; /* maps and parent nodes that point here; changed in place only if it is 1 */
	struct omap_node *left;
	struct omap_node *right;
	struct omap_entry *entry;
};

static struct slice entry_key(const struct omap_entry *e) { return slice_of(e->bytes, e->key_size); }

static struct slice entry_value(const struct omap_entry *e)
{
	return slice_of(e->bytes + e->key_size, e->value_size);
}

static struct omap_entry *entry_new(uint64_t seed, struct slice key, struct slice value)
{
	struct omap_entry *e = xmalloc(sizeof *e + key.size + value.size);
	e->refs = 1;
	e->priority = hash64_seeded(key, seed);
	e->key_size = key.size;
	e->value_size = value.size;
	memcpy(e->bytes, key.data, key.size);
	if (value.size > 0)
		memcpy(e->bytes + key.size, value.data, value.size);
	return e;
}

static void entry_unref(struct omap_entry *e)
{
	KV_ASSERT(e->refs > 0);
	if (--e->refs == 0)
		free(e);
}

/** True if A belongs above B. Equal priorities fall back to the key, so that the shape stays unique. */
static bool is_above(const struct omap_entry *a, const struct omap_entry *b)
{
	if (a->priority != b->priority)
		return a->priority > b->priority;
	return slice_compare(entry_key(a), entry_key(b)) < 0;
}

static struct omap_node *node_new(struct omap_entry *e, struct omap_node *left, struct omap_node *right)
{
	struct omap_node *n = xmalloc(sizeof *n);
	*n = (struct omap_node){.refs = 1, .left = left, .right = right, .entry = e};
	return n;
}

static struct omap_node *node_ref(struct omap_node *n)
{
	if (n)
		n->refs++;
	return n;
}

static void node_unref(struct omap_node *n)
{
	if (!n)
		return;
	KV_ASSERT(n->refs > 0);
	if (--n->refs > 0)
		return;
	node_unref(n->left);
	node_unref(n->right);
	entry_unref(n->entry);
	free(n);
}

/** Trades a reference to N for one to a node with the same content that nobody else sees. */
static struct omap_node *node_own(struct omap_node *n)
{
	if (n->refs == 1)
		return n;
	n->entry->refs++;
	struct omap_node *copy = node_new(n->entry, node_ref(n->left), node_ref(n->right));
	node_unref(n);
	return copy;
}

static struct omap_node *rotate_right(struct omap_node *n)
{
	struct omap_node *top = n->left;
	KV_ASSERT(top->refs == 1);
	n->left = top->right;
	top->right = n;
	return top;
}

static struct omap_node *rotate_left(struct omap_node *n)
{
	struct omap_node *top = n->right;
	KV_ASSERT(top->refs == 1);
	n->right = top->left;
	top->left = n;
	return top;
}

/** Puts E into the tree and returns its root. *RET_OLD becomes the entry it replaces, if any. */
static struct omap_node *node_insert(struct omap_node *n, struct omap_entry *e, struct omap_entry **ret_old)
{
	if (!n)
		return node_new(e, NULL, NULL);
	n = node_own(n);
	int order = slice_compare(entry_key(e), entry_key(n->entry));
	if (order == 0) {
		*ret_old = n->entry;
		n->entry = e;
	} else if (order < 0) {
		n->left = node_insert(n->left, e, ret_old);
		if (is_above(n->left->entry, n->entry))
			n = rotate_right(n);
	} else {
		n->right = node_insert(n->right, e, ret_old);
		if (is_above(n->right->entry, n->entry))
			n = rotate_left(n);
	}
	return n;
}

/** Joins two trees; every key of LOW is below every key of HIGH. */
static struct omap_node *node_join(struct omap_node *low, struct omap_node *high)
{
	if (!low)
		return high;
	if (!high)
		return low;
	if (is_above(low->entry, high->entry)) {
		low = node_own(low);
		low->right = node_join(low->right, high);
		return low;
	}
	high = node_own(high);
	high->left = node_join(low, high->left);
	return high;
}

/** Cuts a tree in two: keys below KEY, and the rest. */
static void node_split(struct omap_node *n, struct slice key, struct omap_node **ret_low,
		       struct omap_node **ret_high)
{
	if (!n) {
		*ret_low = *ret_high = NULL;
		return;
	}
	n = node_own(n);
	struct omap_node *inner;
	if (slice_compare(entry_key(n->entry), key) < 0) {
		node_split(n->right, key, &inner, ret_high);
		n->right = inner;
		*ret_low = n;
	} else {
		node_split(n->left, key, ret_low, &inner);
		n->left = inner;
		*ret_high = n;
	}
}

/** Removes KEY, which is in the tree, and returns the tree's root. */
static struct omap_node *node_remove(struct omap_node *n, struct slice key)
{
	KV_ASSERT(n);
	n = node_own(n);
	int order = slice_compare(key, entry_key(n->entry));
	if (order < 0) {
		n->left = node_remove(n->left, key);
		return n;
	}
	if (order > 0) {
		n->right = node_remove(n->right, key);
		return n;
	}
	struct omap_node *left = TAKE_PTR(n->left);
	struct omap_node *right = TAKE_PTR(n->right);
	node_unref(n);
	return node_join(left, right);
}

void omap_init(struct omap *m, uint64_t seed) { *m = (struct omap){.seed = seed}; }

void omap_release(struct omap *m)
{
	node_unref(m->root);
	omap_init(m, m->seed);
}

void omap_copy(const struct omap *m, struct omap *ret)
{
	*ret = *m;
	node_ref(m->root);
}

void omap_set(struct omap *m, struct slice key, struct slice value)
{
	KV_ASSERT(key.size > 0);
	struct omap_entry *old = NULL;
	m->root = node_insert(m->root, entry_new(m->seed, key, value), &old);
	if (old) {
		m->size -= old->value_size;
		m->size += value.size;
		entry_unref(old);
	} else {
		m->count++;
		m->size += key.size + value.size;
	}
}

bool omap_remove(struct omap *m, struct slice key)
{
	struct slice value;
	if (!omap_get(m, key, &value))
		return false;
	m->count--;
	m->size -= key.size + value.size;
	m->root = node_remove(m->root, key);
	return true;
}

static void node_count(const struct omap_node *n, size_t *count, size_t *size)
{
	if (!n)
		return;
	*count += 1;
	*size += n->entry->key_size + n->entry->value_size;
	node_count(n->left, count, size);
	node_count(n->right, count, size);
}

size_t omap_remove_range(struct omap *m, struct slice first, struct slice end)
{
	if (end.size > 0 && slice_compare(first, end) >= 0)
		return 0;
	struct omap_node *low, *middle, *high = NULL;
	node_split(m->root, first, &low, &middle);
	if (end.size > 0) {
		struct omap_node *from_first = middle;
		node_split(from_first, end, &middle, &high);
	}
	size_t count = 0, size = 0;
	node_count(middle, &count, &size);
	node_unref(middle);
	m->root = node_join(low, high);
	KV_ASSERT(count <= m->count);
	m->count -= count;
	m->size -= size;
	return count;
}

bool omap_get(const struct omap *m, struct slice key, struct slice *ret)
{
	const struct omap_node *n = m->root;
	while (n) {
		int order = slice_compare(key, entry_key(n->entry));
		if (order == 0) {
			if (ret)
				*ret = entry_value(n->entry);
			return true;
		}
		n = order < 0 ? n->left : n->right;
	}
	return false;
}

bool omap_seek(const struct omap *m, struct slice key, bool after, struct omap_row *ret)
{
	const struct omap_node *best = NULL;
	const struct omap_node *n = m->root;
	while (n) {
		int order = slice_compare(entry_key(n->entry), key);
		if (order > 0 || (order == 0 && !after)) {
			best = n;
			n = n->left;
		} else {
			n = n->right;
		}
	}
	if (!best)
		return false;
	*ret = (struct omap_row){.key = entry_key(best->entry), .value = entry_value(best->entry)};
	return true;
}

static bool node_foreach(const struct omap_node *n, bool (*fn)(void *arg, struct slice key, struct slice value),
			 void *arg)
{
	if (!n)
		return true;
	return node_foreach(n->left, fn, arg) && fn(arg, entry_key(n->entry), entry_value(n->entry)) &&
	       node_foreach(n->right, fn, arg);
}

void omap_foreach(const struct omap *m, bool (*fn)(void *arg, struct slice key, struct slice value), void *arg)
{
	(void)node_foreach(m->root, fn, arg);
}

static void node_check(const struct omap_node *n)
{
	if (!n)
		return;
	KV_ASSERT(n->refs > 0);
	KV_ASSERT(n->entry->refs > 0);
	if (n->left) {
		KV_ASSERT(slice_compare(entry_key(n->left->entry), entry_key(n->entry)) < 0);
		KV_ASSERT(is_above(n->entry, n->left->entry));
	}
	if (n->right) {
		KV_ASSERT(slice_compare(entry_key(n->right->entry), entry_key(n->entry)) > 0);
		KV_ASSERT(is_above(n->entry, n->right->entry));
	}
	node_check(n->left);
	node_check(n->right);
}

void omap_check(const struct omap *m)
{
	node_check(m->root);
	size_t count = 0, size = 0;
	node_count(m->root, &count, &size);
	KV_ASSERT(count == m->count);
	KV_ASSERT(size == m->size);
	/* Parent and child in order is not enough: walk all rows. */
	struct omap_row row;
	struct slice last = {0};
	size_t walked = 0;
	for (bool more = omap_seek(m, last, /* after= */ false, &row); more;
	     more = omap_seek(m, last, /* after= */ true, &row)) {
		KV_ASSERT(walked == 0 || slice_compare(last, row.key) < 0);
		last = row.key;
		walked++;
	}
	KV_ASSERT(walked == m->count);
}
