"""Modules, functions and methods of BigCodeBench's libraries that harmless (compute-only) programs may use.

None of them runs a text as code, opens a file that the program names, starts a process or a thread, or leads to such a
function: an attribute of an imported module may be another module, so the names `os`, `sys`, `io`, `core`, `testing`,
`lib` and the like are missing.
"""

SUITE_MODULES = """
base64 binascii calendar cmath dateutil.parser difflib hmac html json Levenshtein matplotlib matplotlib.pyplot numpy
operator pandas pytz regex scipy scipy.fft scipy.fftpack scipy.integrate scipy.interpolate scipy.linalg scipy.ndimage
scipy.optimize scipy.signal scipy.spatial scipy.spatial.distance scipy.stats seaborn sklearn.cluster sklearn.datasets
sklearn.decomposition sklearn.ensemble sklearn.feature_extraction.text sklearn.feature_selection sklearn.impute
sklearn.linear_model sklearn.manifold sklearn.metrics sklearn.mixture sklearn.model_selection sklearn.naive_bayes
sklearn.neighbors sklearn.preprocessing sklearn.svm sklearn.tree statsmodels.tsa.seasonal struct textwrap unicodedata
zlib zoneinfo datetime random statistics collections itertools
"""
SETTABLE_ATTRIBUTES = "columns index name"
"""Attributes of pandas tables and columns that harmless (compute-only) programs may set."""
SUITE_NAMES = """
abs accuracy_score add_subplot agg aggregate all amax amin annotate any apply applymap arange arccos arcsin arctan
argmax argmin argsort array asarray ascii_letters ascii_lowercase ascii_uppercase assign astimezone astype at atan auc
average Axes axes Axes3D axhline axis axvline b64decode b64encode bar barh barplot bdate_range between bfill bincount
boxcox boxplot Categorical cbrt cdist ceil choice classification_report clip cluster_centers_ coef_ colorbar
column_stack columns complex128 components_ compress concat concatenate confusion_matrix contains copy corr corrcoef
cos cosine_similarity count Counter countplot CountVectorizer cov covariances_ cross_val_score crosstab cummax cummin
cumprod cumsum curve_fit cut cycle data DataFrame date date_range DateOffset day day_name dayofweek days DBSCAN decode
decompress deg2rad degrees describe det diag diff digest digits distance distplot dot drop drop_duplicates dropna dt
dtype dtypes dumps duplicated eig einsum empty encode endswith entropy equals escape euclidean exp
explained_variance_ratio_ explode extend eye f_classif f_oneway factorial feature_importances_ feature_names ffill fft
fftfreq figure fill fill_between fillna filter find findall fit fit_predict fit_transform flat flatten floor freq
from_dict from_product fromhex fromisoformat fromkeys fromtimestamp full full_like gauss gaussian_filter gaussian_kde
GaussianMixture gca gcd gcf get get_dummies get_feature_names_out get_legend get_support get_text get_title get_xlabel
get_xlim get_ylabel get_ylim get_yticks grid groupby groups hamming head heatmap hexdigest hexlify hist histogram
histplot hour hstack hypot idxmax idxmin ifft iloc imag imshow index inf info inner insort int32 int64 intercept_
interpolate intersection inv iqr is_integer is_monotonic_increasing isalnum isalpha isdigit isf isfinite isin isinf
islower isna isnan isnull isoformat IsolationForest isspace issubdtype isupper item itemgetter items iterrows
itertuples json JSONDecodeError kdeplot keys KFold KMeans KNeighborsClassifier kurtosis LabelEncoder labels_ Lasso
legend len linalg LinearRegression lineplot linregress linspace loads loc localize localtime log log10 log1p log2
LogisticRegression logspace lower lstrip lstsq make_blobs make_classification make_regression maketrans map match
matmul max maximum mean mean_ mean_absolute_error mean_squared_error means_ median melt merge meshgrid microsecond min
minimum MinMaxScaler minute mod mode month month_name most_common mul MultiIndex MULTILINE MultinomialNB multiply name
names nan nanmax nanmean nanmedian nanmin nanstd ndarray ndiff ndim ngroups nlargest NMF nonzero norm normal
normaltest notna notnull now nsmallest number nunique OneHotEncoder ones ones_like OrderedDict outer pack pad pairplot
pairwise_distances partition PCA pct_change pdf pdist pearsonr percentile permutation pi pie pivot pivot_table plot
plot_surface poisson polyfit polyval pop pow ppf precision_recall_curve precision_score predict predict_proba probplot
prod product punctuation quad quantile quarter r2_score radians rand randint randn random random_sample
RandomForestClassifier RandomForestRegressor rank ratio ravel real recall_score reduce regplot reindex rename repeat
replace resample reset_index reshape resid residplot resize reverse rfind rint RobustScaler roc_curve roll rolling
round rstrip rvs sample scatter scatterplot score search seasonal seasonal_decompose second seconds seed select_dtypes
SelectKBest SequenceMatcher Series set set_aspect set_axis set_index set_label set_rlabel_position set_rticks
set_style set_tick_params set_title set_xlabel set_xlim set_xscale set_xticklabels set_xticks set_ylabel set_ylim
set_yscale set_yticklabels set_yticks set_zlabel shape shapiro show shuffle sign SimpleImputer sin size skew sort
sort_index sort_values spatial spearmanr split splitlines sqrt square squareform squeeze stack StandardScaler
startswith stats std stdev stem str StratifiedKFold strftime string strip strptime sub subplot subplots subtract sum
suptitle SVC svd swapaxes T tail take tan tanh target target_names tensordot text TfidfVectorizer threshold
tick_params tight_layout tile time Timedelta timedelta Timestamp timestamp timezone title to_datetime to_dict to_frame
to_list to_numeric to_period to_series to_string to_timedelta to_timestamp toarray today tolist toordinal
total_seconds trace train_test_split translate transpose trend TSNE tz tz_convert
tz_localize uint8 unescape unhexlify unified_diff uniform union unique unpack unravel_index unstack update upper
urlsafe_b64decode urlsafe_b64encode utc utcfromtimestamp utcnow value_counts values var vectorize violinplot Voronoi
vstack weekday where whitespace xaxis xlabel xlim xticks yaxis year ylabel ylim yticks zeros zeros_like zfill ZoneInfo
zscore
"""
